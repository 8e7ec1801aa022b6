"""Elementwise functions of one tensor, each of which can become a look-up table.

They are evaluated in float64 during the import; the hardware has only the table.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from flows.onnx_import.values import Array, Function

__all__ = ["FUNCTIONS", "function_of"]

_ERF = np.vectorize(math.erf, otypes=[np.float64])


def _sigmoid(x: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))


def _gelu(attributes: dict[str, Any]) -> Function:
    if attributes.get("approximate", b"none") == b"tanh":
        root = math.sqrt(2 / math.pi)
        return lambda x: 0.5 * x * (1 + np.tanh(root * (x + 0.044715 * x**3)))
    return lambda x: 0.5 * x * (1 + _ERF(x / math.sqrt(2)))


def _leaky(attributes: dict[str, Any]) -> Function:
    slope = attributes.get("alpha", 0.01)
    return lambda x: np.where(x < 0, slope * x, x)


def _elu(attributes: dict[str, Any]) -> Function:
    alpha = attributes.get("alpha", 1.0)
    return lambda x: np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x)


def _celu(attributes: dict[str, Any]) -> Function:
    alpha = attributes.get("alpha", 1.0)
    return lambda x: np.where(x < 0, alpha * np.expm1(np.minimum(x, 0) / alpha), x)


def _selu(attributes: dict[str, Any]) -> Function:
    alpha = attributes.get("alpha", 1.67326319217681884765625)
    gamma = attributes.get("gamma", 1.05070102214813232421875)
    return lambda x: gamma * np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x)


def _hard_sigmoid(attributes: dict[str, Any]) -> Function:
    alpha, beta = attributes.get("alpha", 0.2), attributes.get("beta", 0.5)
    return lambda x: np.clip(alpha * x + beta, 0, 1)


def _swish(attributes: dict[str, Any]) -> Function:
    alpha = attributes.get("alpha", 1.0)
    return lambda x: x * _sigmoid(alpha * x)


def _plain(function: Callable[[Array], Any]) -> Callable[[dict[str, Any]], Function]:
    """Wrap a function without attributes; it gives NaN without a real result (root of -1)."""
    return lambda attributes: lambda x: np.asarray(function(x), dtype=np.float64)


FUNCTIONS: dict[str, Callable[[dict[str, Any]], Function]] = {
    "Abs": _plain(np.abs),
    "Celu": _celu,
    "Ceil": _plain(np.ceil),
    "Cos": _plain(np.cos),
    "Elu": _elu,
    "Erf": _plain(_ERF),
    "Exp": _plain(np.exp),
    "Floor": _plain(np.floor),
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _plain(lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
    "LeakyRelu": _leaky,
    "Log": _plain(np.log),
    "Mish": _plain(lambda x: x * np.tanh(np.logaddexp(0, x))),
    "Reciprocal": _plain(lambda x: 1 / x),
    "Round": _plain(np.rint),
    "Selu": _selu,
    "Sigmoid": _plain(_sigmoid),
    "Sign": _plain(np.sign),
    "Sin": _plain(np.sin),
    "Softplus": _plain(lambda x: np.logaddexp(0, x)),
    "Softsign": _plain(lambda x: x / (1 + np.abs(x))),
    "Sqrt": _plain(np.sqrt),
    "Swish": _swish,
    "Tanh": _plain(np.tanh),
}
"""Factories by ONNX operator: node attributes to the elementwise function."""


def function_of(kind: str, attributes: dict[str, Any]) -> Function:
    """Return the function of one elementwise node."""
    return FUNCTIONS[kind](attributes)
