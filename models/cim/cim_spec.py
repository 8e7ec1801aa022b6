"""Parameters of a macro: the array's shape, its cells, its converters, its physics."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from models.cim.physics import Physics


class Decomposition(Enum):
    """Representation of signed weights in columns."""

    NATIVE = "native"
    """Sign and magnitude in one cell; a column's sum is signed and takes one conversion."""
    DIFFERENTIAL = "differential"
    """Positive and negative weights in separate columns, subtracted after conversion."""
    BIT_SERIAL = "bit-serial"
    """Two's complement, one bit per cell and column."""
    POLARISED = "polarised"
    """Magnitudes; all weights of an output within one group of rows share a sign."""


@dataclass(frozen=True, kw_only=True)
class CimSpec:
    """Parameters of one macro.

    Parameters
    ----------
    rows, columns : int
        Cells per column, and number of columns.
    cells_per_unit : int
        Cells that share one capacitor: the number of tiles stored at once, of which one computes.
    group : int
        Elements added per conversion, at most ``rows // cells_per_unit``; 0 for all.
    decomposition : Decomposition
    weight_bits : int, 2 to 8
        Signed bits of a weight.
    cell_bits : int
        Magnitude bits of one cell (binary weighted capacitors).
    act_bits : int, 1 to 8
        Unsigned bits of an activation.
    dac_bits : int
        Bits of an activation that enter at a time.
    adc_bits : int, 1 to 10
        Decisions of a conversion.
    fraction : int, 0 to 12
        ``F``: a nominal unit capacitor is ``2**F``; also the fraction of ADC step and offset.
    relu : bool
        The first decision is the sign; a negative sum ends its conversion as zero.
    zero_skip : bool
        Leading slices of a group whose activations are all zero are not converted.
    slices : int
        Columns per weight; 0 for as many as a layer's widest weight needs.
    physics : Physics
    """

    rows: int = 256
    columns: int = 512
    cells_per_unit: int = 1
    group: int = 0
    decomposition: Decomposition = Decomposition.BIT_SERIAL
    weight_bits: int = 8
    cell_bits: int = 1
    act_bits: int = 8
    dac_bits: int = 1
    adc_bits: int = 7
    fraction: int = 8
    relu: bool = False
    zero_skip: bool = False
    slices: int = 0
    physics: Physics = field(default_factory=Physics)

    def __post_init__(self) -> None:
        if not isinstance(self.decomposition, Decomposition):
            raise ValueError(f"decomposition must be a Decomposition, not {self.decomposition!r}")
        limits = (
            ("rows", 1, 4096),
            ("columns", 1, 4096),
            ("cells_per_unit", 1, self.rows if isinstance(self.rows, int) else 1),
            ("weight_bits", 2, 8),
            ("cell_bits", 1, 8),
            ("act_bits", 1, 8),
            ("dac_bits", 1, 8),
            ("adc_bits", 1, 10),
            ("fraction", 0, 12),
        )
        for name, low, high in limits:
            value = getattr(self, name)
            if not isinstance(value, int) or not low <= value <= high:
                text = name.replace("adc_bits", "ADC bits").replace("dac_bits", "DAC bits")
                raise ValueError(f"{text} must be {low} to {high}, not {value}")
        if self.rows % self.cells_per_unit:
            raise ValueError(
                f"cells_per_unit must divide {self.rows} rows, not {self.cells_per_unit}"
            )
        if not 0 <= self.group <= self.units:
            raise ValueError(
                f"group must be at most the array's {self.units} units deep, not {self.group}"
            )
        if self.dac_bits > self.act_bits:
            raise ValueError(f"DAC bits must be at most {self.act_bits}, not {self.dac_bits}")
        if self.decomposition is Decomposition.BIT_SERIAL and self.cell_bits != 1:
            raise ValueError(f"cell_bits of a bit-serial macro must be 1, not {self.cell_bits}")
        differential = self.decomposition is Decomposition.DIFFERENTIAL
        if not 0 <= self.slices <= self.most_slices or differential and self.slices % 2:
            even = ", even" if differential else ""
            raise ValueError(f"slices must be 0 to {self.most_slices}{even}, not {self.slices}")
        if self.relu and not (self.signed and self.single_conversion):
            raise ValueError("relu must be of a native macro with one conversion a product")
        if self.largest_count << self.fraction >= 1 << 30:
            raise ValueError(
                f"fraction must keep column sums within 30 bits, not {self.fraction} for "
                f"{self.largest_count} counts"
            )

    @property
    def units(self) -> int:
        """Capacitors per column."""
        return self.rows // self.cells_per_unit

    @property
    def depth(self) -> int:
        """``N``: elements added per conversion."""
        return self.group or self.units

    @property
    def signed(self) -> bool:
        """True if a column's sum is signed."""
        return self.decomposition is Decomposition.NATIVE

    @property
    def act_slices(self) -> int:
        """Conversions of a column for one vector of activations."""
        return -(-self.act_bits // self.dac_bits)

    @property
    def most_slices(self) -> int:
        """Largest number of digits of a weight, each in its own column."""
        if self.decomposition is Decomposition.BIT_SERIAL:
            return self.weight_bits
        digits = -(-self.weight_bits // self.cell_bits)
        return 2 * digits if self.decomposition is Decomposition.DIFFERENTIAL else digits

    @property
    def single_conversion(self) -> bool:
        """True if a whole product takes one conversion."""
        return self.act_slices == 1 and self.cell_bits >= self.weight_bits - 1

    @property
    def largest_digit(self) -> int:
        """Largest magnitude of a cell's digit."""
        return min((1 << self.cell_bits) - 1, 1 << self.weight_bits - 1)

    @property
    def largest_count(self) -> int:
        """Largest column sum, in counts."""
        return self.depth * self.largest_digit * ((1 << self.dac_bits) - 1)

    @property
    def words(self) -> int:
        """Noise words per conversion, with one byte for each decision and one for sampling."""
        return -(-(self.adc_bits + 1) // 4)
