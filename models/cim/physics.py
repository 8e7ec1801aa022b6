"""Physical parameters in their units, and their conversion to counts.

Sources. Unit-capacitor mismatch (standard deviation of a difference, referred to the side of a
square capacitor): 2.8 %um for the MIM capacitor of SkyWater's open sky130 kit, 1 %um for IHP's
open SG13G2; 0.66 % at 1 fF for metal fringe capacitors in 28 nm. Thermal noise is kT/C. Noise of
comparators: 0.2 to 0.4 count rms at 256 rows is usual in such macros.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

BOLTZMANN = 1.380649e-23
"""Boltzmann constant, J/K (exact by definition of the kelvin)."""


@dataclass(frozen=True, kw_only=True)
class Physics:
    """Errors of array and converters, in physical units.

    Parameters
    ----------
    unit_cap_ff, density_ff_um2 : float
        Unit capacitor, fF, and capacitance per area, fF/um2; both give the capacitor's side.
    mismatch_percent_um : float
        Standard deviation of a 1 um x 1 um capacitor, percent; inversely proportional to the side.
    parasitic_ff : float
        Parasitic capacitance of a whole column to ground; only lowers the voltage of a count.
    parasitic_percent : float
        Standard deviation of the parasitic capacitance between columns, percent.
    supply_mv, temperature_k : float
        Voltage of a full column, mV; temperature, K.
    comparator_noise_mv, comparator_offset_mv : float
        Standard deviation between decisions; between columns.
    cdac_unit_ff : float
        Unit capacitor of the converter's own array.
    bow_lsb : float
        Largest integral non-linearity common to all converters, a parabola over the codes, in ADC
        steps.
    curve_lsb : tuple of float
        A measured non-linearity of all converters, added to the parabola: ADC steps at equally
        spaced codes from the first to the last.
    """

    unit_cap_ff: float = 1.0
    density_ff_um2: float = 2.0
    mismatch_percent_um: float = 1.0
    parasitic_ff: float = 20.0
    parasitic_percent: float = 2.0
    supply_mv: float = 800.0
    temperature_k: float = 300.0
    comparator_noise_mv: float = 1.0
    comparator_offset_mv: float = 2.0
    cdac_unit_ff: float = 2.0
    bow_lsb: float = 0.0
    curve_lsb: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        labels = {
            "unit_cap_ff": "capacitance",
            "density_ff_um2": "capacitance density",
            "supply_mv": "supply",
            "cdac_unit_ff": "capacitance of the converter",
        }
        object.__setattr__(self, "curve_lsb", tuple(self.curve_lsb))
        if not all(math.isfinite(v) for v in self.curve_lsb):
            raise ValueError(f"curve_lsb must be numbers, not {self.curve_lsb}")
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if name == "curve_lsb":
                continue
            label = labels.get(name, name)
            unit = name.rpartition("_")[2].replace("ff", "fF").replace("mv", "mV")
            if not isinstance(value, int | float) or not math.isfinite(value):
                raise ValueError(f"{label} must be a number, not {value!r}")
            if name in labels and value <= 0:
                raise ValueError(f"{label} must be more than 0 {unit}, not {value:g}")
            if name != "bow_lsb" and value < 0:
                raise ValueError(f"{label} must be at least 0, not {value:g}")

    def bow(self, bits: int) -> NDArray[np.float64]:
        """Return all converters' common error at each of ``2**bits`` thresholds, ADC steps."""
        code = np.arange(1 << bits)
        half = 1 << bits - 1
        curve = self.bow_lsb * (1 - ((code - half) / half) ** 2)
        if self.curve_lsb:
            at = np.linspace(0, len(code) - 1, len(self.curve_lsb))
            curve = curve + np.interp(code, at, self.curve_lsb)
        return curve

    def mismatch(self, cap_ff: float) -> float:
        """Return the relative standard deviation of a capacitor (Pelgrom's area law)."""
        side = math.sqrt(cap_ff / self.density_ff_um2)
        return self.mismatch_percent_um / 100 / side

    def with_noise(self, factor: float) -> Physics:
        """Scale the noise of comparators and of kT/C.

        Raises
        ------
        ValueError
            If the factor is negative.
        """
        if not (math.isfinite(factor) and factor >= 0):
            raise ValueError(f"noise must be at least 0 times the preset's, not {factor:g}")
        return replace(
            self,
            comparator_noise_mv=self.comparator_noise_mv * factor,
            temperature_k=self.temperature_k * factor**2,
        )

    @property
    def unit_sigma(self) -> float:
        """Relative standard deviation of a cell's unit capacitor."""
        return self.mismatch(self.unit_cap_ff)

    @property
    def cdac_sigma(self) -> float:
        """Relative standard deviation of the converter's unit capacitor."""
        return self.mismatch(self.cdac_unit_ff)

    def attenuation(self, units: int) -> float:
        """Return the voltage of a full column, as a share of the supply."""
        total = units * self.unit_cap_ff
        return total / (total + self.parasitic_ff)

    def count_mv(self, units: int, largest: int) -> float:
        """Return the voltage of one count, mV, if ``units`` driven capacitors are ``largest``."""
        return self.supply_mv * self.attenuation(units) / largest

    def sampling_mv(self, units: int) -> float:
        """Return the kT/C noise of a column, mV rms."""
        farad = (units * self.unit_cap_ff + self.parasitic_ff) * 1e-15
        return 1e3 * math.sqrt(BOLTZMANN * self.temperature_k / farad)
