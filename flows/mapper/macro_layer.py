"""Items of a layer for a macro: converter registers, and a record for each weight tile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flows.mapper.emitter import Emitter, pitched
from flows.mapper.place import MappingError
from flows.mapper.static_weights import weight_stream
from models.cim.golden.adc import Registers, Window
from models.cim.golden.weight_layout import zero_code
from models.numerics.rescale import Integers
from models.ops.requantize import Requantize
from models.program.engine_items import Item, encode_item
from models.program.layout import LoadTarget


@dataclass(frozen=True, kw_only=True, eq=False)
class MacroLayer:
    """Parameters of a layer on the macro.

    Attributes
    ----------
    window : Window
    registers : Registers
        Registers of every column, calibration included.
    relu : bool
    bias : int64 [columns], or None
        Counts added to the sums before conversion, by written column.
    requantize : Requantize
        Requantiser of the macro's results; its bias includes the correction from results to
        accumulators.
    first : int
        Conversions of a column before this layer in a run.
    period, valid : int
        Of each ``period`` elements of K, all but the first ``valid`` ones are padding.
    act_offset : int
        Offset that makes an activation minus its zero point unsigned.
    """

    window: Window
    registers: Registers
    relu: bool
    bias: Integers | None
    requantize: Requantize
    first: int
    period: int
    valid: int
    act_offset: int


class MacroItems:
    """The items of one layer, tile by tile.

    Parameters
    ----------
    out : Emitter
    layer : MacroLayer
    codes : uint8 [tiles, rows, K]
        Weights.
    columns : int [tiles, rows]
        Written column of every row, -1 for an idle row.
    tokens : int
        Number of activation vectors.
    """

    def __init__(
        self,
        out: Emitter,
        layer: MacroLayer,
        codes: NDArray[np.uint8],
        columns: Integers,
        *,
        tokens: int,
    ) -> None:
        assert out.spec.macro is not None
        self.out, self.macro, self.layer = out, out.spec.macro, layer
        self.codes, self.columns, self.tokens = codes, columns, tokens
        self.k_tiles = self.macro.tiles(codes.shape[2])

    def load(self, tile: int) -> None:
        """Emit the loads of a weight tile: its weights, then the items that start it.

        In this order the weights fill the shadow bank while the macro is busy.

        Raises
        ------
        MappingError
            If a register needs more than 32 bits.
        """
        out, spec = self.out, self.macro.spec
        stream = weight_stream(out.spec, self.codes[tile : tile + 1])
        out.load_constant(LoadTarget.WEIGHTS, 0, pitched(out.spec, stream), ())
        try:
            items = self._window() if tile == 0 else []
            items += self._bases(self.columns[tile], first=tile == 0)
            hop = self.tokens * spec.act_slices
            items.append(
                encode_item(
                    Item.TILE,
                    vectors=-(-self.tokens // out.spec.tokens) * out.spec.tokens,
                    tokens=self.tokens,
                    first=self.layer.first + tile * self.k_tiles * hop & 0xFFFFFFFF,
                    hop=hop,
                    act_offset=self.layer.act_offset,
                    relu=int(self.layer.relu),
                )
            )
        except ValueError as error:
            raise MappingError(str(error)) from None
        out.load_constant(LoadTarget.ENGINE, 0, b"".join(items), ())

    def _window(self) -> list[bytes]:
        layer = self.layer
        items = [
            encode_item(Item.REGISTER, column=column, index=bit, value=int(value))
            for column, weights in enumerate(layer.registers.weights)
            for bit, value in enumerate(weights)
        ]
        items += [
            encode_item(Item.BOW, index=code, value=int(value))
            for code, value in enumerate(layer.registers.bow)
        ]
        window = layer.window
        fields = {"step": window.step, "offset": window.offset}
        if self.macro.spec.zero_skip:
            zero = zero_code(self.macro.spec, window)
            fields |= {"zero": zero, "period": layer.period, "valid": layer.valid}
        items.append(encode_item(Item.WINDOW, **fields))
        return items

    def _bases(self, columns: Integers, *, first: bool) -> list[bytes]:
        """Return items with the bases of all converters: per layer, or with a bias per tile."""
        layer, slices = self.layer, self.macro.slices
        if layer.bias is None and not first:
            return []
        bias = np.zeros(len(columns), dtype=np.int64)
        if layer.bias is not None:
            used = columns >= 0
            bias[used] = layer.bias[columns[used]]
        shift = np.repeat(bias, slices) << self.macro.spec.fraction
        base = layer.registers.base - shift
        index = self.macro.spec.adc_bits
        return [
            encode_item(Item.REGISTER, column=column, index=index, value=int(value))
            for column, value in enumerate(base)
        ]
