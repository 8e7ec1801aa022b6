"""A die: integer tables from a spec and a seed.

Static errors (capacitors, converters) are drawn once per die; dynamic errors (sampling, comparator)
for each conversion. Either kind can be switched off without a change of the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.cim.cim_spec import CimSpec
from models.cim.noise import Words, column_keys, gaussian, noise_key
from models.numerics.rescale import Integers

GAIN_BITS = 16
"""Fractional bits of converter weights: one ADC step is ``2**16``."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Die:
    """Integer tables of one macro.

    Attributes
    ----------
    caps : int64 [units, columns, cell_bits]
        Capacitors, bit ``b`` nominally ``2**(F + b)``.
    gain : int64 [columns]
        Charge of a converter step relative to the nominal one, ``2**16`` for no error; follows from
        the total capacitance of the column, parasitics included.
    offset : int64 [columns]
        Comparator offset in units of ``2**-F`` count.
    weights : int64 [columns, adc_bits]
        Converter capacitors in ADC steps, bit ``b`` nominally ``2**(16 + b)``.
    bow : int64 [2**adc_bits]
        Non-linearity of all converters, added to threshold ``code``; ``2**16`` is one ADC step.
    sampling, comparator : int64 [256]
        Noise tables in units of ``2**-F`` count.
    column_keys : uint32 [columns]; noise_key : int
        Keys of the noise (:mod:`models.cim.noise`).
    """

    spec: CimSpec
    seed: int
    static: bool
    dynamic: bool
    caps: Integers
    gain: Integers
    offset: Integers
    weights: Integers
    bow: Integers
    sampling: Integers
    comparator: Integers
    column_keys: Words
    noise_key: int

    @cached_property
    def caps_by_column(self) -> NDArray[np.int32]:
        """``caps`` as int32 ``[cell_bits, columns, units]``."""
        return np.ascontiguousarray(self.caps.transpose(2, 1, 0).astype(np.int32))

    @property
    def ideal(self) -> bool:
        """True if the die has neither static errors nor noise."""
        return not (self.static or self.dynamic)


def make_die(spec: CimSpec, seed: int, *, static: bool = True, dynamic: bool = True) -> Die:
    """Draw a die.

    Parameters
    ----------
    seed : int, 0 to 2**31 - 1
    static, dynamic : bool
        Draw static errors; draw noise.
    """
    if not 0 <= seed < 1 << 31:
        raise ValueError(f"die must be 0 to 2**31 - 1, not {seed}")
    physics, units, columns, bits = spec.physics, spec.units, spec.columns, spec.adc_bits
    random = np.random.default_rng([0xC13, seed])
    on = 1.0 if static else 0.0
    nominal = 2.0 ** np.arange(spec.cell_bits)
    spread = physics.unit_sigma / np.sqrt(nominal) * on
    epsilon = random.standard_normal((units, columns, spec.cell_bits)) * spread
    caps = np.maximum(np.rint(nominal * (1 << spec.fraction) * (1 + epsilon)), 0).astype(np.int64)
    # A unit loads the column with its whole capacitance, whatever digit it stores.
    present = (nominal * epsilon).sum((0, 2)) / (nominal.sum() * units)
    parasitic = physics.parasitic_ff / (units * physics.unit_cap_ff)
    stray = random.standard_normal(columns) * physics.parasitic_percent / 100 * on
    gain = (1 + present + parasitic * (1 + stray)) / (1 + parasitic)
    scale = (1 << spec.fraction) / _count_mv(spec)
    offset = random.standard_normal(columns) * physics.comparator_offset_mv * scale * on
    steps = 2.0 ** np.arange(bits)
    error = random.standard_normal((columns, bits)) * physics.cdac_sigma / np.sqrt(steps) * on
    one = 1 << GAIN_BITS
    noisy = 1.0 if dynamic else 0.0
    return Die(
        spec=spec,
        seed=seed,
        static=static,
        dynamic=dynamic,
        caps=caps,
        gain=np.rint(gain * one).astype(np.int64),
        offset=np.rint(offset).astype(np.int64),
        weights=np.rint(steps * (1 + error) * one).astype(np.int64),
        bow=np.rint(physics.bow(bits) * one * on).astype(np.int64),
        sampling=gaussian(physics.sampling_mv(units) * scale * noisy),
        comparator=gaussian(physics.comparator_noise_mv * scale * noisy),
        column_keys=column_keys(seed, columns),
        noise_key=noise_key(seed),
    )


def used_with(die: Die, *, relu: bool) -> Die:
    """Return the same die with or without ReLU in its conversions; its tables stay the same."""
    spec = replace(die.spec, relu=die.spec.relu and relu)
    if spec == die.spec:
        return die
    other = {name: getattr(die, name) for name in die.__dataclass_fields__}
    return Die(**{**other, "spec": spec})


def noise_sigmas(spec: CimSpec) -> tuple[float, float]:
    """Return the standard deviations of sampling and of a comparison, in counts."""
    count = _count_mv(spec)
    return spec.physics.sampling_mv(spec.units) / count, spec.physics.comparator_noise_mv / count


def offset_sigma(spec: CimSpec) -> float:
    """Return the standard deviation of comparator offsets, in counts."""
    return spec.physics.comparator_offset_mv / _count_mv(spec)


def _count_mv(spec: CimSpec) -> float:
    largest = spec.units * spec.largest_digit * ((1 << spec.dac_bits) - 1)
    return spec.physics.count_mv(spec.units, largest)


def inl_sigma(spec: CimSpec) -> float:
    """Return the standard deviation of a converter's mid-scale error: ``s 2**(B/2) / 2`` steps."""
    return 0.5 * spec.physics.cdac_sigma * math.sqrt(2.0**spec.adc_bits)
