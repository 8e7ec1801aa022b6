"""Converts real gains and offsets to the integers of a requantiser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flows.onnx_import.function_table import Span, table_span
from flows.onnx_import.network_error import NetworkError
from flows.onnx_import.row_formats import DEFAULT_FORMAT
from flows.onnx_import.values import Array, Codes, Indices, Value
from models.formats import find_format
from models.formats.code_book import CodeBook
from models.numerics.rescale import multiplier_for
from models.ops.requantize import TABLE_ENTRIES_MAX, Lookup, Requantize

__all__ = ["Rescaled", "clamp_codes", "rescaled_rows"]

_BIAS_MAX = 2.0**30
"""Largest bias in accumulator steps, so that bias plus products fit 32 bits."""
_FAR = 2.0**12
"""Offset, in codes (or table entries), beyond which a result saturates."""
_BIAS_ERROR, _BIAS_ERROR_MAX = 2.0**-16, 1.0
"""Rounding error of a bias, in codes: above the first, weights are refined if possible; above the
second, the layer is refused."""
_WEIGHT_MAX = 127
_FINEST = 2.0**-14
"""Smallest useful accumulator step, in codes: it rounds the bias."""


@dataclass(frozen=True, eq=False)
class Rescaled:
    """Weights as stored, with their requantiser."""

    weights: Indices
    requantize: Requantize


def clamp_codes(value: Value, scale: float, zero_point: int) -> tuple[int, int]:
    """Return the codes of the clip bounds of ``value``."""
    ends = np.clip(np.array([value.low, value.high]) / scale, -1e6, 1e6)
    codes = np.clip(np.rint(ends) + zero_point, -128, 127)
    return int(codes[0]), int(codes[1])


def rescaled_rows(
    weights: Indices,
    gain: Array,
    offset: Array,
    value: Value,
    codes: Codes,
    *,
    reach: tuple[Array, Array],
    label: str,
    formats: Sequence[str] | None = (),
) -> Rescaled:
    """Convert rows of weights, whose accumulators become codes, and make their requantiser.

    The result is ``gain * acc + offset``, then clip and function of ``value``, on the grid of
    ``codes``.

    Parameters
    ----------
    weights : int array [rows, ...]
        A row with a negative gain is negated; a row whose offset is too large for its gain (a dead
        channel) is scaled so that the offset fits. Either way a row stays on the grid of its
        format.
    gain, offset : float arrays [rows], or of one number
        Include the gain and offset of ``value``.
    reach : least and largest accumulator, float arrays like ``gain``
    formats : names of the rows' formats; empty for ``fixed8``, None if there are no weights to
        change (products of two tensors)

    Raises
    ------
    NetworkError
        If a table is not accurate enough for its function, or if an offset does not fit.
    """
    scale, zero_point = codes.scale, codes.zero_point
    span: Span | None = None
    step, start = scale, 0.0
    if value.function is not None:
        ends = np.concatenate([gain * end + offset for end in reach])
        span = table_span(value, scale, zero_point, float(ends.min()), float(ends.max()), label)
        step, start = span.step, span.start
    shifted = np.broadcast_to(offset - start, gain.shape).astype(np.float64)
    if formats is None:
        if np.any(gain <= 0) or np.any(np.abs(shifted) > _BIAS_MAX * gain):
            raise NetworkError(
                f"result of {label} must have a positive scale, and an offset of at most 2**30 "
                "steps of its products"
            )
    else:
        weights, gain, shifted = _signed(weights, gain, shifted, step, reach, formats)
        weights, gain = _finer(weights, gain, shifted, step, formats)
    lost = np.abs(np.rint(shifted / gain) * gain - shifted) / step
    if lost.max() > _BIAS_ERROR_MAX:
        raise NetworkError(
            f"bias of {label} must be a multiple of its products' scale (input scale times weight "
            f"scale), not {lost.max():.1f} codes off: use a finer scale for its input or weights"
        )
    pairs = [multiplier_for(float(g) / step) for g in gain]
    low, high = clamp_codes(value, scale, zero_point)
    if span is not None:
        zero_point, low, high = 0, 0, TABLE_ENTRIES_MAX - 1
    return Rescaled(
        weights,
        Requantize(
            bias=np.rint(shifted / gain).astype(np.int64),
            multiplier=np.array([m for m, _ in pairs]),
            shift=np.array([s for _, s in pairs]),
            zero_point=zero_point,
            low=low,
            high=high,
            table=None if span is None else Lookup(table=span.table),
        ),
    )


def _finer(
    weights: Indices, gain: Array, offset: Array, step: float, formats: Sequence[str]
) -> tuple[Indices, Array]:
    """Scale rows of few bits up, to eight bits at most, if their bias would be rounded coarsely.

    A bias is a whole number of accumulator steps, and with weights of a few levels one step may be
    many codes of the result. The factor is the one, among those that keep the weights within eight
    bits, with the smallest rounding error of the bias; a rescaling that is a plain shift stays one.
    """
    rows, gains = weights.copy(), gain.copy()
    most = np.abs(rows.reshape(len(rows), -1)).max(axis=1)
    names = formats or [DEFAULT_FORMAT] * len(rows)
    coarse = np.abs(np.rint(offset / gain) * gain - offset) / step > _BIAS_ERROR
    for row in np.flatnonzero(coarse & (most > 0) & (most <= _WEIGHT_MAX // 2)).tolist():
        if names[row] == DEFAULT_FORMAT:
            room = _BIAS_MAX * gains[row] / max(abs(offset[row]), gains[row])
            factors = np.arange(1, max(1, min(_WEIGHT_MAX // int(most[row]), int(room))) + 1)
            if np.frexp(gains[row] / step)[0] == 0.5:
                factors = factors[(factors & (factors - 1)) == 0]
            finer = gains[row] / factors
            left = np.abs(np.rint(offset[row] / finer) * finer - offset[row])
            factor = int(factors[np.argmin(left)])
            rows[row] *= factor
            gains[row] /= factor
    return rows, gains


def _signed(
    weights: Indices,
    gain: Array,
    offset: Array,
    step: float,
    reach: tuple[Array, Array],
    formats: Sequence[str],
) -> tuple[Indices, Array, Array]:
    """Return weights, gains and offsets such that every gain is positive and every bias fits."""
    rows, gains, offsets = weights.copy(), gain.copy(), offset.copy()
    names = formats or [DEFAULT_FORMAT] * len(rows)
    books: dict[str, CodeBook] = {name: find_format(name) for name in set(names)}
    for row in np.flatnonzero(gains < 0).tolist():
        book = books[names[row]]
        below, above = -int(book.grid[0]), int(book.grid[-1])
        if rows[row].min() < -above:
            # The lowest code has no negative counterpart: scale the row down to the largest code.
            rows[row] = book.nearest(rows[row] * (above / below))
            gains[row] *= below / above
        rows[row] *= -1
    gains = np.abs(gains)
    # Largest contribution of the products to a row's result, in codes.
    most = np.abs(gain) * np.maximum(np.abs(reach[0]), np.abs(reach[1])) / step
    far = np.abs(offsets) / step > _FAR + most
    offsets = np.where(far, np.sign(offsets) * _FAR * step, offsets)
    empty = ~np.any(rows.reshape(len(rows), -1), axis=1)
    constant = far | empty | (gains == 0)
    least = np.abs(offsets) / _BIAS_MAX
    for row in np.flatnonzero(constant | (gains < least)).tolist():
        better = max(float(least[row]), _FINEST * step)
        steps = rows[row] * (0.0 if constant[row] else gains[row] / better)
        rows[row] = books[names[row]].nearest(steps)
        gains[row] = better
    return rows, gains, offsets
