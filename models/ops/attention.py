"""Products of two activations: attention scores and attention context, head by head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from models.numerics.rescale import Integers
from models.ops.convolution import matmul_exact
from models.ops.requantize import Requantize, requantize


@dataclass(frozen=True, kw_only=True, eq=False)
class AttentionScores:
    """``scores[h, t, s] = sum_c (q[t, h, c] - query_zero) * (k[s, h, c] - key_zero)``, requantised.

    ``q`` is ``[tokens, heads * width]``, ``k`` is ``[keys, heads * width]``, the result
    ``[heads, tokens, keys]``. Requantise parameters are single numbers.
    """

    heads: int
    requantize: Requantize
    query_zero: int = 0
    key_zero: int = 0

    def __post_init__(self) -> None:
        _check(self.heads, self.requantize)


@dataclass(frozen=True, kw_only=True, eq=False)
class AttentionContext:
    """``context[t, h, c] = sum_s (p[h, t, s] - probability_zero) * (v[s, h, c] - value_zero)``.

    ``p`` is ``[heads, tokens, keys]``, ``v`` is ``[keys, heads * width]``, the result
    ``[tokens, heads * width]``. Requantise parameters are single numbers.
    """

    heads: int
    requantize: Requantize
    probability_zero: int = 0
    value_zero: int = 0

    def __post_init__(self) -> None:
        _check(self.heads, self.requantize)


def _check(heads: int, spec: Requantize) -> None:
    if heads < 1:
        raise ValueError(f"attention heads must be at least 1, not {heads}")
    if spec.channels != 1:
        raise ValueError(f"attention requantise must have 1 channel, not {spec.channels}")


def split_heads(x: ArrayLike, heads: int) -> Integers:
    """``[n, tokens, heads * width]`` to ``[n, heads, tokens, width]``."""
    codes = np.asarray(x, dtype=np.int64)
    count, tokens, channels = codes.shape
    if channels % heads:
        raise ValueError(f"channels must be a multiple of {heads} heads, not {channels}")
    return codes.reshape(count, tokens, heads, channels // heads).transpose(0, 2, 1, 3)


def attention_scores(q: ArrayLike, k: ArrayLike, spec: AttentionScores) -> Integers:
    """Golden of :class:`AttentionScores`; batched over a leading axis n."""
    left = split_heads(q, spec.heads) - spec.query_zero
    right = split_heads(k, spec.heads) - spec.key_zero
    return requantize(matmul_exact(left, right.transpose(0, 1, 3, 2)), spec.requantize)


def attention_context(p: ArrayLike, v: ArrayLike, spec: AttentionContext) -> Integers:
    """Golden of :class:`AttentionContext`; batched over a leading axis n."""
    left = np.asarray(p, dtype=np.int64) - spec.probability_zero
    right = split_heads(v, spec.heads) - spec.value_zero
    acc = matmul_exact(left, right)
    count, heads, tokens, width = acc.shape
    merged = acc.transpose(0, 2, 1, 3).reshape(count, tokens, heads * width)
    return requantize(merged, spec.requantize)
