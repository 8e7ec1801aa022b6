"""Signal widths of an emulated macro, and the layouts of its streams."""

from __future__ import annotations

import math
from dataclasses import dataclass

from amaranth.hdl import signed
from amaranth.lib import data, enum

from models.cim.cim_spec import CimSpec
from models.cim.die import make_die
from models.cim.golden.weight_layout import DECODE_BITS


class Write(enum.Enum, shape=3):  # type: ignore[call-arg]
    """Target of an item of the configuration stream."""

    CAPS = 0
    """Entry ``index`` of the capacitors of ``column``."""
    REGISTER = 1
    """Converter of ``column``: weight of bit ``index``, or the base at ``adc_bits``."""
    BOW = 2
    """Correction added to the threshold of code ``index``, in all columns."""
    NOISE = 3
    """Noise tables of all columns: comparator at entries 0 to 255, sampling from 256 on."""
    DECODE = 4
    """Value that code ``index`` of ``column`` decodes to."""
    KEY = 5
    """Noise key of ``column``."""
    DIE = 6
    """Noise key of the die."""
    LAYER = 7
    """Record of the next vectors (:meth:`MacroShape.layer`), which it starts."""


def width_of(*values: int) -> int:
    """Return the bits of a signed number that holds all these values."""
    return 1 + max((v if v >= 0 else ~v).bit_length() for v in values)


def index_bits(count: int) -> int:
    """Return the bits of an index below ``count``, at least one."""
    return max(1, (count - 1).bit_length())


@dataclass(frozen=True, kw_only=True)
class MacroShape:
    """A macro's spec, and the parameters that only an emulation has.

    Parameters
    ----------
    spec : CimSpec
    lanes : int
        Cells of a column added per cycle. Requires: divides the spec's ``depth``.
    tiles : int
        Tiles of K that a bank holds, so the deepest product is ``tiles * depth``. 0 means
        ``cells_per_unit``, the capacity of the analog macro; more tiles model its being rewritten.
    banks : int, 1 or 2
        Sets of ``tiles`` tiles of weights; with 2 banks, one is filled while the other computes.
    calibrated : bool
        A table per column decodes codes, instead of ``code * 2**8``.
    trimmed : bool
        The references' trim may have a bow other than 0, even if the physics has none.
    paired : bool
        Every tile of activations is multiplied by two tiles of weights, ``2 t`` and ``2 t + 1``, so
        that a polarised macro takes weights of both signs
        (:func:`models.cim.decompose.paired_weights`). ``tiles`` counts both.
    """

    spec: CimSpec
    lanes: int = 8
    tiles: int = 0
    banks: int = 1
    calibrated: bool = False
    trimmed: bool = False
    paired: bool = False

    def __post_init__(self) -> None:
        if self.lanes < 1 or self.spec.depth % self.lanes:
            raise ValueError(
                f"lanes must be a divisor of the macro's depth {self.spec.depth}, not {self.lanes}"
            )
        if self.tiles < 0:
            raise ValueError(f"tiles must be at least 0, not {self.tiles}")
        if not self.tiles:
            object.__setattr__(self, "tiles", self.spec.cells_per_unit)
        if self.paired and self.tiles % 2:
            raise ValueError(f"tiles of a paired macro must be even, not {self.tiles}")
        if self.banks not in (1, 2):
            raise ValueError(f"banks must be 1 or 2, not {self.banks}")

    @property
    def depth(self) -> int:
        """Elements of K in the deepest product."""
        return self.tiles // (1 + self.paired) * self.spec.depth

    @property
    def entries(self) -> int:
        """Beats of activations of a whole tile."""
        return self.spec.depth // self.lanes

    @property
    def at_bits(self) -> int:
        """Bits of a tile's address: bank above tile."""
        return index_bits(self.tiles) + self.banks - 1

    @property
    def cap_bits(self) -> tuple[int, ...]:
        """Bits of each capacitor of a cell, for values below twice the nominal one."""
        return tuple(self.spec.fraction + bit + 1 for bit in range(self.spec.cell_bits))

    @property
    def digit_bits(self) -> int:
        """Bits of a cell's digit: magnitude, and above it a sign in native macros."""
        return self.spec.cell_bits + self.spec.signed

    @property
    def sum_bits(self) -> int:
        """Bits of a signed column sum."""
        spec = self.spec
        most = ((1 << spec.cell_bits) - 1) * ((1 << spec.dac_bits) - 1)
        return width_of((spec.depth * most) << spec.fraction + 1)

    @property
    def register_bits(self) -> int:
        """Bits of a converter's registers: four times the largest of sum, offset, unit steps."""
        spec = self.spec
        largest = spec.units * spec.largest_digit * ((1 << spec.dac_bits) - 1)
        count = spec.physics.count_mv(spec.units, largest) / (1 << spec.fraction)
        offset = math.ceil(8 * spec.physics.comparator_offset_mv / count)
        return max(self.sum_bits, width_of(offset, 1 << spec.adc_bits + spec.fraction)) + 2

    @property
    def noise_bits(self) -> int:
        """Bits of an entry of the noise tables."""
        die = make_die(self.spec, 0, static=False)
        return width_of(*die.sampling.tolist(), *die.comparator.tolist())

    @property
    def bow(self) -> bool:
        """Flag: all converters have a common non-linearity, from the physics or from a trim."""
        physics = self.spec.physics
        return physics.bow_lsb != 0 or any(physics.curve_lsb) or self.trimmed

    @property
    def decode_bits(self) -> int:
        """Fractional bits of a decoded code."""
        return DECODE_BITS if self.calibrated else 0

    @property
    def value_bits(self) -> int:
        """Bits of a signed decoded code, for up to twice the converter's range."""
        return self.spec.adc_bits + 2 + self.decode_bits

    @property
    def factor_bits(self) -> int:
        """Bits of the signed sum of the activation factors of all tiles."""
        factors = ((1 << self.spec.act_slices * self.spec.dac_bits) - 1) * self.tiles
        return width_of(factors)

    @property
    def column_bits(self) -> int:
        """Bits of a column's signed sum of decoded codes."""
        return self.value_bits + self.factor_bits

    @property
    def slices(self) -> int:
        """Largest number of columns per weight."""
        return self.spec.slices or self.spec.most_slices

    @property
    def weigh_bits(self) -> int:
        """Bits that joining the slices of a weight adds."""
        return self.slices * self.spec.cell_bits + 1

    @property
    def value(self) -> data.Layout | int:
        """Shape of a result."""
        return signed(self.result_bits)

    @property
    def result_bits(self) -> int:
        """Bits of a signed result."""
        product = self.register_bits + self.column_bits + self.weigh_bits + 1
        return min(64, product - self.decode_bits - self.spec.fraction)

    def cells(self) -> data.StructLayout:
        """An item of the weight stream: ``lanes`` cells of a column.

        ``last`` completes a bank. ``negative`` is the sign of the column's group, the same in all
        entries of the tile (polarised macros).
        """
        return data.StructLayout(
            {
                "column": index_bits(self.spec.columns),
                "tile": index_bits(self.tiles),
                "entry": index_bits(self.entries),
                "digits": data.ArrayLayout(self.digit_bits, self.lanes),
                "negative": 1,
                "last": 1,
            }
        )

    def acts(self) -> data.StructLayout:
        """A beat of ``lanes`` elements.

        ``last`` ends a vector; ``release``, set together with it, frees the bank of weights.
        """
        return data.StructLayout(
            {
                "values": data.ArrayLayout(self.spec.act_bits, self.lanes),
                "last": 1,
                "release": 1,
            }
        )

    def caps(self) -> data.ArrayLayout:
        """Capacitors of an entry, least significant bit of a cell first."""
        cell = data.StructLayout({f"bit{i}": bits for i, bits in enumerate(self.cap_bits)})
        return data.ArrayLayout(cell, self.lanes)

    def layer(self) -> data.StructLayout:
        """Record of a layer: registers for a number of vectors.

        Members
        -------
        vectors, tokens : number of vectors that follow; vectors per run
        run, first : number of the first run; conversions of a column before its first vector
        hop : conversions of a column between tiles of K: ``tokens * act_slices``
        slices, outputs : slices of a weight minus one; outputs minus one
        step, offset : ADC window; zero : code that replaces a skipped conversion
        relu : a negative sum ends its conversion (relu macros only)
        """
        return data.StructLayout(
            {
                "vectors": 32,
                "tokens": 32,
                "run": 32,
                "first": 32,
                "hop": 32,
                "slices": index_bits(self.slices),
                "outputs": index_bits(self.spec.columns),
                "step": self.register_bits - 1,
                "offset": signed(self.register_bits),
                "zero": signed(self.spec.adc_bits + 2),
                "relu": 1,
            }
        )

    def config(self) -> data.StructLayout:
        """An item of the configuration stream."""
        widest = max(
            self.caps().size, self.layer().size, self.register_bits, self.value_bits, 32
        )  # fmt: skip
        index = max(
            index_bits(self.entries), index_bits(self.spec.adc_bits + 1), self.spec.adc_bits, 9
        )  # fmt: skip
        return data.StructLayout(
            {
                "kind": Write,
                "column": index_bits(self.spec.columns),
                "index": index,
                "data": widest,
            }
        )
