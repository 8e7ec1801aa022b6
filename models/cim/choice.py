"""Which macro a machine has, and which die of it: a choice that can be written down."""

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
        Columns of the macro, and of a weight; all a machine's rows are ``columns // slices``.
    adc_bits : int
        0 for the preset's.
    die : int
    static, dynamic : bool
        Whether the die has errors of its own, and noise.

    Raises
    ------
    ValueError
        If there is no such macro, or it cannot be a machine's engine.
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
        # Refuses what is no macro at all.
        slices = self.spec.slices
        if not slices or self.columns % slices:
            raise ValueError(f"columns must be a multiple of {slices} slices, not {self.columns}")

    @property
    def spec(self) -> CimSpec:
        """The macro."""
        return _spec(self)

    @property
    def rows(self) -> int:
        """Outputs at a time."""
        return self.columns // self.slices

    @property
    def paired(self) -> bool:
        """Whether every tile of K meets two of weights (:func:`.decompose.paired_weights`)."""
        return self.spec.decomposition is Decomposition.POLARISED

    def tiles(self, k: int) -> int:
        """Conversions of a column for an activation slice of ``k`` elements."""
        return -(-k // self.spec.depth) * (1 + self.paired)

    def make_die(self) -> Die:
        """The die's tables."""
        return _die(self)


@cache
def _spec(choice: MacroChoice) -> CimSpec:
    spec = find_preset(choice.preset, columns=choice.columns, slices=choice.slices)
    return replace(spec, adc_bits=choice.adc_bits or spec.adc_bits)


@cache
def _die(choice: MacroChoice) -> Die:
    return make_die(choice.spec, choice.die, static=choice.static, dynamic=choice.dynamic)
