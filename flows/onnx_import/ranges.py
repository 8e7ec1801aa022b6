"""Ranges of values, and the grids that cover them."""

from __future__ import annotations

import math

import numpy as np

from flows.onnx_import.errors import NetworkError
from flows.onnx_import.values import Codes, Operation, Value

__all__ = ["close", "derived_grid", "grid_of", "reach"]

_SAME_SCALE = 1e-5
"""Relative difference up to which two scales are one: float32 files hold no more digits."""


def derived_grid(source: Operation, label: str) -> tuple[float, int]:
    """A grid for an operator's result that the file does not quantise.

    Raises
    ------
    NetworkError
        If the result's range is only known from calibration.
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
    """Smallest and largest number of a constant, or that codes times a number can stand for."""
    source = value.source
    if isinstance(source, Operation):
        real = source.details["real"]
        return float(real.min()), float(real.max())
    assert isinstance(source, Codes)
    step = float(value.a[0]) * source.scale
    return step * (source.low - source.zero_point), step * (source.high - source.zero_point)


def grid_of(low: float, high: float) -> tuple[float, int]:
    """Scale and zero point of 8 bits that cover ``low`` to ``high`` and hold 0 exactly."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 255 or 1.0
    return scale, int(np.clip(np.rint(-128 - low / scale), -128, 127))


def close(left: float, right: float) -> bool:
    """Whether two scales are the same one."""
    return math.isclose(left, right, rel_tol=_SAME_SCALE)
