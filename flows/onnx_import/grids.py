"""Converts values to codes: quantise, reuse a grid, or derive one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from flows.onnx_import.arrange import Arranger
from flows.onnx_import.network_error import NetworkError
from flows.onnx_import.ranges import close, derived_grid, exact_grid, grid_of, reach
from flows.onnx_import.values import (
    Array,
    Codes,
    CodeTensor,
    Indices,
    NetworkInput,
    Operation,
    Value,
    storage_index,
)

__all__ = ["Grids", "Operand"]


@dataclass(frozen=True, eq=False)
class Operand:
    """Operand of an operator: codes in the arrangement it needs, and the real value of one step."""

    codes: Codes
    scale: float

    @property
    def zero_point(self) -> int:
        """Code of the real number 0."""
        return self.codes.zero_point

    @property
    def shape(self) -> tuple[int, ...]:
        """Storage shape."""
        return self.codes.shape


@dataclass(eq=False)
class Grids(Arranger):
    """Makes codes from values; equal requests give the same object."""

    _input: tuple[float, int] | None = None
    """Scale and zero point of a network input that is codes, once a node has given them."""

    def quantise(self, value: Value, scale: float, zero_point: int, label: str) -> Value:
        """Return the value after a QuantizeLinear (and the DequantizeLinear that follows).

        Every number is rounded and saturated, even if it was quantised before; only a quantiser
        with exactly the grid of its input changes nothing.
        """
        source = value.source
        if isinstance(source, NetworkInput):
            return self._image(value, scale, zero_point, label)
        if isinstance(source, Operation) and source.kind == "Join":
            return self._join(value, source, scale, zero_point, label)
        if isinstance(source, Operation):
            codes = self._codes(value, scale, zero_point)
            return Value(source=codes, index=value.index, padding=value.padding)
        assert isinstance(source, Codes)
        if value.scaled and self._same_grid(value, source, scale, zero_point):
            return value
        if not value.uniform:
            codes = self._codes(value, scale, zero_point)
            return Value(source=codes, index=value.index, padding=value.padding)

        def rounded(real: Array) -> Array:
            code = np.clip(np.rint(real / scale) + zero_point, -128, 127)
            return np.asarray(scale * (code - zero_point))

        return replace(value.then(rounded), grid=(scale, zero_point), exact=value)

    def with_grid(
        self, codes: CodeTensor, label: str, grid: tuple[float, int] = (1.0, 0)
    ) -> CodeTensor:
        """Return the codes with a grid: if the network's input has none so far, it is ``grid``."""
        if codes.scale is not None:
            return codes
        scale, zero_point = self._input = self._input or grid
        value = self.quantise(codes.value, scale, zero_point - codes.offset, label)
        return replace(codes, value=value, scale=scale, zero_point=zero_point)

    def relabelled(
        self, codes: CodeTensor, scale: float, zero_point: int, label: str
    ) -> CodeTensor:
        """Return the same integers, interpreted on another grid."""
        codes = self.with_grid(codes, label, (scale, zero_point))
        assert codes.scale is not None
        value = codes.value
        if close(codes.scale, scale) and codes.zero_point == zero_point:
            return codes
        if value.padded and codes.zero_point != zero_point:
            raise NetworkError(
                f"zero point of {label} must be the {codes.zero_point} that the codes were padded "
                f"with, not {zero_point}"
            )
        own = self._on_grid(value, codes.scale, codes.zero_point - codes.offset)
        key = (id(own), "Relabel", scale, zero_point)
        if key not in self._made:
            self._kept.append(own)
            view = Operation(
                label=own.label, shape=own.shape, scores=own.scores, kind="Relabel", inputs=(own,)
            )
            self._made[key] = Codes(
                label=own.label,
                shape=own.shape,
                scores=own.scores,
                value=Value(source=view, index=storage_index(own.shape)),
                scale=scale,
                zero_point=zero_point - codes.offset,
            )
        plain = Value(source=self._made[key], index=value.index, padding=value.padding)
        return replace(codes, value=plain, scale=scale, zero_point=zero_point)

    def _on_grid(self, value: Value, scale: float, zero_point: int) -> Codes:
        """Return codes of the whole source of a value that lies on a grid."""
        source = value.source
        if isinstance(source, Codes) and value.scaled:
            if self._same_grid(value, source, scale, zero_point):
                return source
        return self._codes(value.exact or value, scale, zero_point)

    def _image(self, value: Value, scale: float, zero_point: int, label: str) -> Value:
        """Quantise the network's input, which the host does; a clip before it moves after it."""
        plain = replace(value, low=-math.inf, high=math.inf)
        if not plain.scaled:
            raise NetworkError(
                f"network input must be quantised before anything else, not only at {label}: put a "
                "QuantizeLinear and a DequantizeLinear first"
            )
        gain = float(value.a[0])
        codes = self._codes(replace(plain, a=np.ones(1)), scale / gain, zero_point)
        least, most = scale * (-128 - zero_point), scale * (127 - zero_point)

        def bound(real: float) -> float:
            return float(scale * np.rint(np.clip(real, least, most) / scale))

        low = -math.inf if value.low <= least else bound(value.low)
        high = math.inf if value.high >= most else bound(value.high)
        return replace(value, source=codes, low=low, high=high)

    def operand(self, value: Value, arrangement: Indices, label: str) -> Operand:
        """Return codes of ``value`` stored as ``arrangement`` (an array of its index entries).

        Raises
        ------
        NetworkError
            If the value is not quantised and no grid can be derived, or the arrangement is not
            made of whole tokens and channels.
        """
        if value.padded:
            raise NetworkError(f"a Pad must be followed by a Conv, not by {label}")
        value = self.coded(value, label)
        codes = value.source
        assert isinstance(codes, Codes)
        arranged = self.arranged(codes, arrangement, label)
        return Operand(arranged, float(value.a[0]) * arranged.scale)

    def coded(self, value: Value, label: str) -> Value:
        """Express a value as codes times one number; derive a grid if it has none.

        The derived grid is exact, with every number on it, if such an 8-bit grid exists.
        """
        source = value.source
        if isinstance(source, NetworkInput):
            raise NetworkError(
                f"input of {label} must be quantised (a QuantizeLinear before it), not float"
            )
        if isinstance(source, Codes) and value.scaled:
            return value
        if value.grid is not None and value.exact is not None:
            codes = self._codes(value.exact, *value.grid)
            return Value(source=codes, index=value.index, padding=value.padding)
        if isinstance(source, Codes):
            codes = self._codes(value, *self._derived(value, source, label))
            return Value(source=codes, index=value.index, padding=value.padding)
        assert isinstance(source, Operation)
        plain = Value(source=source, index=storage_index(source.shape))
        if source.kind == "Join":
            lows, highs = zip(*(reach(part) for part in source.details["values"]), strict=True)
            made = self.quantise(plain, *grid_of(min(lows), max(highs)), label).source
        else:
            made = self._codes(plain, *derived_grid(source, label))
        return self.coded(replace(value, source=made), label)

    def _derived(self, value: Value, source: Codes, label: str) -> tuple[float, int]:
        if value.uniform:
            real = value.after(value.a[0] * source.reals() + value.b[0])
        else:
            ends = np.array([[source.low], [source.high]]) - source.zero_point
            real = value.after(value.a * ends * source.scale + value.b)
        if np.isnan(real).any():
            raise NetworkError(
                f"function of {source.label} before {label} must have a result for every code of "
                "its input, not NaN for some (a root or logarithm of negative numbers): clip first"
            )
        if value.uniform:
            step = abs(float(value.a[0])) * source.scale
            exact = exact_grid(real, step, source.zero_point)
            if exact is not None:
                return exact
        return grid_of(float(real.min()), float(real.max()))

    def _codes(self, value: Value, scale: float, zero_point: int) -> Codes:
        """Return codes of the whole source of ``value``."""
        source = value.source
        key = (
            id(source),
            value.a.tobytes(),
            value.b.tobytes(),
            value.low,
            value.high,
            id(value.function),
            scale,
            zero_point,
        )
        if key not in self._made:
            self._kept.append(value)
            self._made[key] = Codes(
                label=source.label,
                shape=source.shape,
                scores=source.scores,
                value=replace(value, index=storage_index(source.shape), padding=(0, 0, 0, 0)),
                scale=scale,
                zero_point=zero_point,
            )
        return self._made[key]

    def _join(
        self, value: Value, source: Operation, scale: float, zero_point: int, label: str
    ) -> Value:
        """Concatenate tokens, with every part on the grid of the result."""
        if not value.uniform:
            return self.quantise(self.coded(value, label), scale, zero_point, label)
        parts = []
        for part, arrangement in zip(
            source.details["values"], source.details["arrangements"], strict=True
        ):
            shown = applied(value, part)
            given = part.source
            same = isinstance(given, Codes) and shown.scaled
            codes = given
            if not (same and self._same_grid(shown, given, scale, zero_point)):
                codes = self._codes(shown, scale, zero_point)
            parts.append(self.arranged(codes, arrangement, source.label))
        joined = replace(source, kind="Concat", inputs=tuple(parts), details={})
        plain = Value(source=joined, index=storage_index(source.shape))
        codes = self._codes(plain, scale, zero_point)
        return Value(source=codes, index=value.index, padding=value.padding)

    @staticmethod
    def _same_grid(value: Value, source: Codes, scale: float, zero_point: int) -> bool:
        """Test that a quantiser changes nothing."""
        same = close(float(value.a[0]) * source.scale, scale)
        return same and zero_point == source.zero_point and source.bits == 8


def applied(value: Value, part: Value) -> Value:
    """Apply gain, offset, clip and function of ``value`` (equal for all channels) to ``part``."""
    gain, offset = float(value.a[0]), float(value.b[0])
    if part.linear:
        shown = replace(part, a=part.a * gain, b=part.b * gain + offset, grid=None, exact=None)
    else:
        shown = part.then(lambda x: gain * x + offset)
    low, high = value.low, value.high
    if low != -math.inf or high != math.inf:
        shown = shown.then(lambda x: np.clip(x, low, high))
    return shown if value.function is None else shown.then(value.function)
