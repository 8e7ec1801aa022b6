"""Choice of a machine's macro and of its die, as plain parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from models.cim.cim_spec import CimSpec, Decomposition
from models.cim.die import Die, make_die
from models.cim.presets import find_preset


@dataclass(frozen=True, kw_only=True)
class MacroChoice:
    """A macro as a machine's matrix engine.

    Parameters
    ----------
    preset : str
    columns, slices : int
        Columns of the macro; columns per weight. The machine has ``columns // slices`` rows.
    adc_bits : int
        0 for the preset's.
    die : int
    static, dynamic : bool
        The die has static errors; it has noise.

    Raises
    ------
    ValueError
        If the preset is unknown, or if the macro cannot be a machine's engine.
    """

    preset: str
    columns: int
    slices: int
    adc_bits: int = 0
    die: int = 0
    static: bool = True
    dynamic: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.die < 1 << 31:
            raise ValueError(f"die must be 0 to 2**31 - 1, not {self.die}")
        # The property raises ValueError if the parameters are of no macro.
        slices = self.spec.slices
        if not slices or self.columns % slices:
            raise ValueError(f"columns must be a multiple of {slices} slices, not {self.columns}")

    @property
    def spec(self) -> CimSpec:
        """Spec of the macro."""
        return _spec(self)

    @property
    def rows(self) -> int:
        """Outputs computed at a time."""
        return self.columns // self.slices

    @property
    def paired(self) -> bool:
        """True if every tile of K has two tiles of weights (:func:`.decompose.paired_weights`)."""
        return self.spec.decomposition is Decomposition.POLARISED

    def tiles(self, k: int) -> int:
        """Return the conversions of a column for an activation slice of ``k`` elements."""
        return -(-k // self.spec.depth) * (1 + self.paired)

    def make_die(self) -> Die:
        """Return the die's tables."""
        return _die(self)


@cache
def _spec(choice: MacroChoice) -> CimSpec:
    spec = find_preset(choice.preset, columns=choice.columns, slices=choice.slices)
    return replace(spec, adc_bits=choice.adc_bits or spec.adc_bits)


@cache
def _die(choice: MacroChoice) -> Die:
    return make_die(choice.spec, choice.die, static=choice.static, dynamic=choice.dynamic)
