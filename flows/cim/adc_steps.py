"""Step, offset and range of a layer's converters: by rule, or searched on what the layer sees."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from flows.cim.macro_matmul import Layer, Patches
from models.cim.cim_spec import CimSpec
from models.cim.decompose import act_slices, weight_slices
from models.cim.die import noise_sigmas
from models.cim.golden.adc import Window, full_range

RULES = ("full", "unit", "calibrated", "snr")
"""Every sum covered; one count a step; the least error of rounding and clipping on calibration
images; the least error of these and of noise."""

NOISE_SHARE = 0.3
"""What noise counts beside an error that is the same each time: it averages out over positions and
channels of what follows, the other does not. Measured, not derived: docs/systems/history.md."""

_OFFSETS = 5
_NEARLY_ALL = 0.9999
"""Of what errors in a layer's sums matter."""
_FAR = 4.0
"""Standard deviations of noise up to which a code is looked at."""
_FINE = 8
"""Parts of the noise: finer steps are not tried, closer sums are taken for one."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What a layer's conversions are set to.

    Parameters
    ----------
    window : Window
    largest : int
        Counts, of either sign, that nearly all sums stay within: what converters are calibrated to.
    """

    window: Window
    largest: int

    def __post_init__(self) -> None:
        if self.largest < 1:
            raise ValueError(f"largest sum must be at least 1 count, not {self.largest}")


def choose(layer: Layer, seen: Patches, rule: str, *, dynamic: bool = True) -> Chosen:
    """Window and range of a layer.

    Parameters
    ----------
    seen : uint8 [n, k]
        Activations of calibration images.
    rule : str of :data:`RULES`
        ``unit`` also searches the offset.
    dynamic : bool
        Whether conversions have noise; only ``snr`` asks.

    Raises
    ------
    ValueError
        If there is no such rule.
    """
    if rule not in RULES:
        raise ValueError(f"step rule must be one of {', '.join(RULES)}, not {rule!r}")
    spec = layer.spec
    whole = full_range(spec)
    noise = math.hypot(*noise_sigmas(spec)) if rule == "snr" and dynamic else 0.0
    # A conversion that is skipped has no noise.
    values, weights = histogram(layer, seen, skipped=not noise)
    # What ReLU ends needs no code.
    reached = np.maximum(values, 0) if spec.relu else np.abs(values)
    largest = max(1, int(_reach(reached, weights))) if len(values) else spec.largest_count
    if rule == "full":
        return Chosen(window=whole, largest=largest)
    one = 1 << spec.fraction
    if rule == "unit":
        steps = [one]
    else:
        # Whole counts first: sums are whole, so those steps lose least.
        small = [one * n for n in (1, 2, 3, 4, 6, 8) if n == 1 or one * n < whole.step]
        geometric = [int(whole.step * 2.0 ** (-i / 3)) for i in range(36)]
        steps = [*small, whole.step, *(s for s in geometric if s >= one)]
    if noise:
        # Much finer steps than the noise tell no more, and take long to look at.
        steps = [s for s in steps if s >= noise * one / _FINE] or [max(steps)]
        values, weights = _coarser(values, weights, noise / _FINE)
    best: tuple[float, Window] | None = None
    for step in steps:
        for window in _windows(spec, step, values, weights):
            error = expected_error(spec, window, values, weights, noise)
            if best is None or error < best[0]:
                best = error, window
    assert best is not None
    return Chosen(window=best[1], largest=largest)


def histogram(
    layer: Layer, seen: Patches, *, skipped: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Column sums a layer has, in counts, and how much an error in each matters.

    Every slice of weights and activations counts with the square of its weight; with ``skipped``
    also those that a macro skips.
    """
    spec = layer.spec
    tables: dict[int, float] = {}
    acts, act_factors = act_slices(seen, spec)
    bias = layer.bias
    for weights in layer.weights:
        slices = weight_slices(weights, spec)
        for start in range(0, seen.shape[1], spec.depth):
            k = slice(start, start + spec.depth)
            for digits, factor in zip(slices.digits, slices.factors, strict=True):
                cells = digits[:, k].astype(np.float32)
                for index, act_factor in enumerate(act_factors):
                    act = acts[index, :, k]
                    if spec.zero_skip and not skipped:
                        act = act[acts[index:, :, k].any((0, 2))]
                    kind = np.float32 if spec.largest_count < 1 << 24 else np.float64
                    sums = act.astype(kind) @ cells.T.astype(kind)
                    if bias is not None:
                        sums = sums + bias
                    found, number = np.unique(sums, return_counts=True)
                    weight = float(factor * act_factor) ** 2
                    for value, times in zip(found.astype(int), number, strict=True):
                        tables[value] = tables.get(value, 0.0) + weight * times
    order = sorted(tables)
    return np.array(order, dtype=np.float64), np.array([tables[v] for v in order])


def expected_error(
    spec: CimSpec,
    window: Window,
    values: NDArray[np.float64],
    weights: NDArray[np.float64],
    noise: float = 0.0,
) -> float:
    """Weighted mean square error of conversions of a histogram, counts squared.

    Converters have no errors of their own. With ``noise`` (standard deviation, counts) a sum is
    converted as if it were seen once with noise, not afresh for each decision, and the variance
    of its code counts :data:`NOISE_SHARE`.
    """
    one = 1 << spec.fraction
    sums = values * one
    nearest = np.floor((sums - window.offset + window.step // 2) / window.step)
    lowest, highest, wanted = 0, (1 << spec.adc_bits) - 1, sums
    if spec.relu:
        # What ReLU cuts off needs no codes.
        lowest, wanted = 1 << spec.adc_bits - 1, np.maximum(sums, 0)
    if not noise:
        shares, codes = np.ones(1), nearest[:, None]
    else:
        sigma = noise * one
        reach = math.ceil(_FAR * sigma / window.step)
        codes = nearest[:, None] + np.arange(-reach, reach + 1)
        limits = window.offset - window.step // 2 + codes[:, 1:] * window.step
        passed = _normal((sums[:, None] - limits) / sigma)
        ends = np.ones((len(sums), 1))
        shares = -np.diff(passed, axis=1, prepend=ends, append=0 * ends)
    seen = window.offset + np.clip(codes, lowest, highest) * window.step
    error = (seen - wanted[:, None]) / one
    mean = (error * shares).sum(1)
    spread = (error**2 * shares).sum(1) - mean**2
    return float((weights * (mean**2 + NOISE_SHARE * spread)).sum() / weights.sum())


@cache
def _normal_table() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    at = np.linspace(-_FAR - 1, _FAR + 1, 1025)
    return at, np.array([NormalDist().cdf(float(z)) for z in at])


def _normal(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distribution function of the normal distribution, to four digits."""
    return np.interp(z, *_normal_table())


def _coarser(
    values: NDArray[np.float64], weights: NDArray[np.float64], width: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A histogram whose sums are multiples of so many counts, and whole."""
    if width <= 1:
        return values, weights
    found, place = np.unique(np.rint(np.rint(values / width) * width), return_inverse=True)
    return found, np.bincount(place, weights).astype(np.float64)


def _reach(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Which value nearly all of a histogram stays below."""
    order = np.argsort(values, kind="stable")
    share = weights[order].cumsum() / weights.sum()
    return float(values[order[min(int(np.searchsorted(share, _NEARLY_ALL)), len(values) - 1)]])


def _windows(
    spec: CimSpec, step: int, values: NDArray[np.float64], weights: NDArray[np.float64]
) -> list[Window]:
    """Windows of one step: from zero, and ending where the largest sums are."""
    if spec.signed:
        # Zero keeps the middle code, so that the first decision is the sign.
        return [Window(step=step, offset=-(step << spec.adc_bits - 1))]
    one = 1 << spec.fraction
    span = step * ((1 << spec.adc_bits) - 1)
    last = max(0, int(np.ceil((_reach(values, weights) * one - span) / step)))
    offsets = sorted({round(last * i / (_OFFSETS - 1)) for i in range(_OFFSETS)})
    return [Window(step=step, offset=offset * step) for offset in offsets]
