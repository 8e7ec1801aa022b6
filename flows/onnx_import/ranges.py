"""Ranges of values, and quantisation grids that cover them."""

from __future__ import annotations

import math

import numpy as np

from flows.onnx_import.network_error import NetworkError
from flows.onnx_import.values import Array, Codes, Operation, Value

__all__ = ["close", "code_bounds", "derived_grid", "exact_grid", "grid_of", "reach"]

_SAME_SCALE = 1e-5
"""Relative difference up to which two scales are equal: float32 has no more digits."""
_SAME_STEP = 1e-3
"""Distance from a grid, in steps, up to which a number counts as on it."""
_MOVES = ("MaxPool", "Relabel", "Reshape", "Select")
"""Operators whose codes are a selection of their input's."""
_PARTS = 8
"""Most steps of an exact grid between the two closest numbers of a tensor."""
_FLOAT_MAX = float(np.finfo(np.float32).max)


def derived_grid(source: Operation, label: str) -> tuple[float, int]:
    """Derive a grid for an operator's result that the file does not quantise.

    Raises
    ------
    NetworkError
        If only calibration could tell the result's range.
    """
    if source.kind == "Softmax":
        return 1 / 255, -128
    if source.kind == "AveragePool":
        return source.details["scale"], source.inputs[0].zero_point
    if source.kind == "Add":
        ends = [
            sorted(s * (end - c.zero_point) for end in (c.low, c.high))
            for s, c in zip(source.details["scales"], source.inputs, strict=True)
        ]
        return grid_of(sum(e[0] for e in ends), sum(e[1] for e in ends))
    raise NetworkError(
        f"output of {source.label} must be quantised (a QuantizeLinear after it) before {label}, "
        "not float"
    )


def reach(value: Value) -> tuple[float, float]:
    """Return the range of a constant, or of codes times a number."""
    source = value.source
    if isinstance(source, Operation):
        real = source.details["real"]
        return float(real.min()), float(real.max())
    assert isinstance(source, Codes)
    step = float(value.a[0]) * source.scale
    low, high = code_bounds(source)
    return step * (low - source.zero_point), step * (high - source.zero_point)


def code_bounds(codes: Codes) -> tuple[int, int]:
    """Return the least and largest code that can occur; a clip (ReLU) narrows the type's range."""
    while isinstance(codes.value.source, Operation) and codes.value.source.kind in _MOVES:
        codes = codes.value.source.inputs[0]
    value, source = codes.value, codes.value.source
    if isinstance(source, Operation) and source.kind == "Concat":
        bounds = [code_bounds(part) for part in source.inputs]
        return min(low for low, _ in bounds), max(high for _, high in bounds)
    ends = np.array([value.low, value.high])
    if value.function is not None:
        if not isinstance(source, Codes) or not value.uniform:
            return codes.low, codes.high
        ends = value.after(value.a[0] * source.reals() + value.b[0])
    steps = np.rint(np.clip(ends / codes.scale, -1e6, 1e6)) + codes.zero_point
    steps = np.clip(np.nan_to_num(steps), codes.low, codes.high)
    return int(steps.min()), int(steps.max())


def grid_of(low: float, high: float) -> tuple[float, int]:
    """Return scale and zero point of 8 bits that cover ``low`` to ``high`` with 0 exact."""
    low, high = min(low, 0.0), max(high, 0.0)
    # Bound infinity (the reciprocal of 0) by the float32 range, as the file's scale is float32.
    low, high = max(low, -_FLOAT_MAX), min(high, _FLOAT_MAX)
    scale = (high - low) / 255 or 1.0
    return scale, int(np.clip(np.rint(-128 - low / scale), -128, 127))


def exact_grid(real: Array, step: float, zero_point: int) -> tuple[float, int] | None:
    """Return an 8-bit scale and zero point with all these numbers on the grid, or None.

    Parameters
    ----------
    real : numbers, any shape
    step : scale to try first; the next are the smallest difference of the numbers and its fractions
    zero_point : zero point to try first
    """
    numbers = np.unique(np.append(real, 0.0))
    if not np.all(np.isfinite(numbers)):
        return None
    gaps = np.diff(numbers)
    least = float(gaps.min(initial=np.inf))
    for scale in (step, *(least / part for part in range(1, _PARTS + 1))):
        if not 0 < scale < math.inf:
            continue
        steps = numbers / scale
        if steps[-1] - steps[0] > 255.5 or np.abs(steps - np.rint(steps)).max() > _SAME_STEP:
            continue
        low, high = int(np.rint(steps[0])), int(np.rint(steps[-1]))
        for zero in (zero_point, 0, -128 - low):
            if low + zero >= -128 and high + zero <= 127:
                return scale, zero
    return None


def close(left: float, right: float) -> bool:
    """Test that two scales are equal but for float32 rounding."""
    return math.isclose(left, right, rel_tol=_SAME_SCALE)
