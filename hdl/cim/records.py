"""Packs the items that a host sends: configuration, weight and activation streams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from amaranth.lib import data
from numpy.typing import ArrayLike

from hdl.cim.shape import MacroShape, Write
from hdl.cim.tables import cap_words, decode_table, fits, noise_table, register_table
from models.cim.decompose import WeightSlices
from models.cim.die import Die
from models.cim.golden.adc import Registers, Window
from models.cim.golden.weight_layout import When, zero_code
from models.numerics.rescale import Integers


def pack(layout: data.StructLayout, **fields: int) -> int:
    """Pack an item of a stream; members not named are 0."""
    word = 0
    for name, value in fields.items():
        member = layout[name]
        word |= (int(value) & (1 << member.width) - 1) << member.offset
    return word


def _lanes(values: Sequence[int], bits: int) -> int:
    word = 0
    for index, value in enumerate(values):
        word |= (value & (1 << bits) - 1) << index * bits
    return word


@dataclass(frozen=True)
class Records:
    """Items for one macro."""

    shape: MacroShape

    def _config(self, kind: Write, data_: int, index: int = 0, column: int = 0) -> int:
        return pack(
            self.shape.config(), kind=kind.value, column=column, index=index, data=data_
        )  # fmt: skip

    def die(self, die: Die) -> list[int]:
        """Pack a die's own tables: capacitors, noise, keys."""
        items = [self._config(Write.DIE, die.noise_key)]
        for index, value in enumerate(noise_table(self.shape, die)):
            items.append(self._config(Write.NOISE, value, index))
        for column, key in enumerate(die.column_keys.tolist()):
            items.append(self._config(Write.KEY, key, column=column))
            for entry, word in enumerate(cap_words(self.shape, die, column)):
                items.append(self._config(Write.CAPS, word, entry, column))
        return items

    def window(self, registers: Registers, bias: ArrayLike | None = None) -> list[int]:
        """Pack the registers of an ADC window.

        ``bias``: one value per column, in units of ``2**-F`` count.
        """
        columns = self.shape.spec.columns
        shift = np.zeros(columns, np.int64) if bias is None else np.asarray(bias, np.int64)
        items = []
        for column in range(columns):
            table = register_table(self.shape, registers, column, int(shift[column]))
            for index, value in enumerate(table):
                items.append(self._config(Write.REGISTER, value, index, column))
        if registers.bow.any() and not self.shape.bow:
            raise ValueError("macro must be trimmed for registers with a bow, not plain")
        if self.shape.bow:
            for code, value in enumerate(registers.bow.tolist()):
                fits(value, self.shape.register_bits, "bow")
                items.append(self._config(Write.BOW, value, code))
        return items

    def decode(self, decode: Integers) -> list[int]:
        """Pack decode tables ``[columns, 2**adc_bits]``."""
        items = []
        for column in range(self.shape.spec.columns):
            for code, value in enumerate(decode_table(self.shape, decode, column)):
                items.append(self._config(Write.DECODE, value, code, column))
        return items

    def layer(
        self,
        window: Window,
        when: When,
        *,
        vectors: int,
        slices: int,
        outputs: int,
        tile: int = 0,
        relu: bool = True,
    ) -> int:
        """Pack the record that starts ``vectors`` vectors of an output tile.

        ``tile`` is ``output_tile * k_tiles``: it counts tiles of K as well. A relu macro may have
        layers with ``relu=False``.
        """
        spec, shape = self.shape.spec, self.shape
        hop = when.tokens * spec.act_slices
        layer = shape.layer()
        word = pack(
            layer,
            vectors=vectors,
            tokens=when.tokens,
            run=when.run,
            first=when.first + tile * hop,
            hop=hop,
            slices=slices - 1,
            outputs=outputs - 1,
            step=fits(window.step, shape.register_bits - 1, "ADC step", signed=False),
            offset=fits(window.offset, shape.register_bits, "ADC offset"),
            zero=zero_code(spec, window) if spec.zero_skip else 0,
            relu=int(spec.relu and relu),
        )
        return self._config(Write.LAYER, word)

    def weights(self, slices: WeightSlices, start: int, stop: int) -> list[int]:
        """Pack the cells of outputs ``start`` to ``stop``: all tiles of K, output by output."""
        shape, depth, lanes = self.shape, self.shape.spec.depth, self.shape.lanes
        layout = shape.cells()
        count, _, k = slices.digits.shape
        padded = -(-k // lanes) * lanes
        digits = np.zeros((count, stop - start, padded), np.int64)
        digits[:, :, :k] = slices.digits[:, start:stop]
        bits = shape.spec.cell_bits
        codes = np.abs(digits) | (digits < 0).astype(np.int64) << bits
        items = []
        for out in range(stop - start):
            for part in range(count):
                line = codes[part, out].reshape(-1, lanes).tolist()
                for index, values in enumerate(line):
                    tile, entry = divmod(index * lanes, depth)
                    negative = slices.signs is not None and slices.signs[start + out, tile] < 0
                    items.append(
                        pack(
                            layout,
                            column=out * count + part,
                            tile=tile,
                            entry=entry // lanes,
                            digits=_lanes(values, shape.digit_bits),
                            negative=int(negative),
                        )
                    )
        items[-1] |= pack(layout, last=1)
        return items

    def acts(self, acts: Integers) -> list[int]:
        """Pack vectors ``[n, k]``; the last one releases the weights."""
        shape, lanes = self.shape, self.shape.lanes
        layout = shape.acts()
        n, k = acts.shape
        padded = np.zeros((n, -(-k // lanes) * lanes), np.int64)
        padded[:, :k] = acts
        last = pack(layout, last=1)
        items = []
        for vector in padded:
            for values in vector.reshape(-1, lanes).tolist():
                items.append(pack(layout, values=_lanes(values, shape.spec.act_bits)))
            items[-1] |= last
        items[-1] |= pack(layout, release=1)
        return items
