"""LayerNorm over the channels of a token, in integers.

Source: HG-PIPE's integer LayerNorm (reciprocal root from a table, gain and offset folded into the
output grid), widened by a pre-shift for codes of 8 bits and a floating table index.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from models.numerics.rescale import Integers, Rounding, rescale, shift_right
from models.ops.row_function import (
    VALUE_BITS,
    RowFunction,
    Segment,
    reciprocal_root_table,
    row_function,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerNorm:
    """Normalise each token over its channels.

    ::

        x' = x << pre_shift                           18 signed bits
        mean = (sum(x') * mean_multiplier + 2**(mean_shift - 1)) >> mean_shift
        variance = sum((x' - mean)**2)                not divided by the number of channels
        r, e = root(variance)
        n = ((x' - mean) * r) >> e                    32 signed bits, floor
        y = clamp(round((n * gain[c] + offset[c]) / 2**shift), low, high)

    Parameters
    ----------
    gain : int array [channels], 32 signed bits
    offset : int array [channels], 40 signed bits (holds the zero point)
    mean_multiplier : int, 17 unsigned bits; mean_shift : int, 1 to 40
    """

    gain: Integers
    offset: Integers
    mean_multiplier: int
    mean_shift: int
    root: RowFunction
    shift: int
    pre_shift: int = 0
    rounding: Rounding = Rounding.HALF_UP
    low: int = -128
    high: int = 127

    def __post_init__(self) -> None:
        for name, bits in (("gain", 32), ("offset", 40)):
            value = np.asarray(getattr(self, name), dtype=np.int64)
            object.__setattr__(self, name, value)
            if value.ndim != 1 or value.min() < -(1 << bits - 1) or value.max() >= 1 << bits - 1:
                raise ValueError(f"layer norm {name} must be [channels] of {bits} signed bits")
        if self.gain.shape != self.offset.shape:
            raise ValueError("layer norm gain and offset must have one length")
        if not 0 <= self.mean_multiplier < 1 << 17:
            raise ValueError(
                f"layer norm mean multiplier must be below 2**17, not {self.mean_multiplier}"
            )
        if not 1 <= self.mean_shift <= 40:
            raise ValueError(f"layer norm mean shift must be 1 to 40, not {self.mean_shift}")
        if not 0 <= self.pre_shift <= 8:
            raise ValueError(f"layer norm pre-shift must be 0 to 8, not {self.pre_shift}")
        if not 0 <= self.shift <= 62:
            raise ValueError(f"layer norm shift must be 0 to 62, not {self.shift}")


def layer_norm(x: ArrayLike, spec: LayerNorm) -> Integers:
    """Golden of :class:`LayerNorm`: codes ``[..., channels]`` to codes of the same shape."""
    wide = np.asarray(x, dtype=np.int64) << spec.pre_shift
    if wide.size and max(int(wide.max()), -int(wide.min()) - 1) >= 1 << 17:
        raise OverflowError("layer norm input after its pre-shift must fit 18 signed bits")
    total = wide.sum(axis=-1)
    mean = shift_right(total * spec.mean_multiplier, spec.mean_shift, Rounding.HALF_UP)
    # The hardware's way to the variance, sum(x'^2) - mean * (2 * total - channels * mean), must
    # fit its registers as well.
    bent = 2 * total - wide.shape[-1] * mean
    for what, value, bits in (("sum", total, 32), ("mean", mean, 18), ("doubled sum", bent, 32)):
        if value.size and max(int(value.max()), -int(value.min()) - 1) >= 1 << bits - 1:
            raise OverflowError(f"layer norm {what} must fit {bits} signed bits")
    if wide.size and int((wide * wide).sum(axis=-1).max()) >= 1 << VALUE_BITS:
        raise OverflowError(f"layer norm sum of squares must fit {VALUE_BITS} bits")
    centred = wide - mean[..., None]
    if centred.size and max(int(centred.max()), -int(centred.min()) - 1) >= 1 << 17:
        raise OverflowError("layer norm deviation must fit 18 signed bits")
    variance = (centred * centred).sum(axis=-1)
    root, exponent = row_function(variance, spec.root)
    normal = (centred * root[..., None]) >> exponent[..., None]
    y = rescale(normal, spec.gain, spec.shift, spec.rounding, spec.offset)
    return np.clip(y, spec.low, spec.high)


def layer_norm_spec(
    gamma: ArrayLike,
    beta: ArrayLike,
    *,
    epsilon: float,
    input_scale: float,
    output_scale: float,
    output_zero: int,
    input_bits: int = 8,
    low: int = -128,
    high: int = 127,
) -> LayerNorm:
    """The integer LayerNorm closest to a real one on the given grids.

    ``n = (x' - mean) / sqrt(variance) * 2**14`` (``p / 2`` of the table's exponent is shifted
    out), so ``y_real = n / 2**14 * sqrt(channels) * gamma + beta``.
    """
    real_gain = np.asarray(gamma, dtype=np.float64)
    real_offset = np.asarray(beta, dtype=np.float64)
    channels = len(real_gain)
    pre_shift = 8 if input_bits == 8 else 0
    unit = input_scale / 2.0**pre_shift
    gain = real_gain * np.sqrt(channels) / output_scale / 2.0**14
    offset = real_offset / output_scale + output_zero
    # As many fraction bits as gain (24 bits) and offset (39 bits) allow.
    peak = max(float(np.abs(gain).max()), 2.0**-30)
    shift = min(23 - int(np.ceil(np.log2(peak))), 40)
    reach = max(float(np.abs(offset).max()), 1.0)
    shift = max(min(shift, 38 - int(np.ceil(np.log2(reach)))), 0)
    mean_shift = 16 + int(np.floor(np.log2(channels)))
    return LayerNorm(
        gain=np.rint(gain * 2.0**shift).astype(np.int64),
        offset=np.rint(offset * 2.0**shift).astype(np.int64),
        mean_multiplier=int(np.rint(2.0**mean_shift / channels)),
        mean_shift=mean_shift,
        root=RowFunction(
            table=reciprocal_root_table(),
            first=Segment(offset=int(np.rint(epsilon * channels / unit**2)), shift=0, last=0),
            floating=True,
            even=True,
        ),
        shift=shift,
        pre_shift=pre_shift,
        low=low,
        high=high,
    )
