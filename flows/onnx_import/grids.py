"""From values to codes: quantise, reuse a grid, derive one, and arrange elements for a consumer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from flows.onnx_import.errors import NetworkError
from flows.onnx_import.ranges import close, derived_grid, grid_of, reach
from flows.onnx_import.values import (
    Array,
    Codes,
    Indices,
    NetworkInput,
    Operation,
    Value,
    storage_index,
)

__all__ = ["Grids", "Operand"]

_COARSER = 2.0
"""How much coarser than the codes a second quantiser may be and still be left out."""
_LOST_STEPS = 1.5
"""Codes that a second quantiser may cut off an end and still be left out."""


@dataclass(frozen=True, eq=False)
class Operand:
    """Codes in the arrangement that an operator wants, and what one step of them is worth."""

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
class Grids:
    """Makes codes out of values; remembers them, so that equal requests give the same object."""

    _made: dict[tuple[object, ...], Codes] = field(default_factory=dict)
    _kept: list[object] = field(default_factory=list)

    def quantise(self, value: Value, scale: float, zero_point: int, label: str) -> Value:
        """The value behind a QuantizeLinear (and the DequantizeLinear that follows)."""
        source = value.source
        if isinstance(source, NetworkInput):
            if not value.scaled or value.padding != (0, 0, 0, 0):
                raise NetworkError(
                    f"network input must be quantised before anything else, not only at {label}"
                )
            gain = float(value.a[0])
            codes = self._codes(replace(value, a=np.ones(1)), scale / gain, zero_point)
            return Value(source=codes, index=value.index, a=np.array([gain]))
        if isinstance(source, Operation) and source.kind == "Join":
            return self._join(value, source, scale, zero_point)
        if isinstance(source, Operation):
            codes = self._codes(value, scale, zero_point)
            return Value(source=codes, index=value.index, padding=value.padding)
        assert isinstance(source, Codes)
        if value.scaled and self._needless(value, source, scale, zero_point):
            return value
        if not value.uniform:
            return Value(source=self._codes(value, scale, zero_point), index=value.index)

        def rounded(real: Array) -> Array:
            code = np.clip(np.rint(real / scale) + zero_point, -128, 127)
            return np.asarray(scale * (code - zero_point))

        return replace(value.then(rounded), grid=(scale, zero_point), exact=value)

    def operand(self, value: Value, arrangement: Indices, label: str) -> Operand:
        """Codes of ``value`` whose storage is ``arrangement`` (an array of its index entries).

        Raises
        ------
        NetworkError
            If the value is not quantised and no grid can be derived, or the arrangement is not
            made of whole tokens and channels.
        """
        if value.padding != (0, 0, 0, 0):
            raise NetworkError(f"a Pad must be followed by a Conv, not by {label}")
        value = self.coded(value, label)
        codes = value.source
        assert isinstance(codes, Codes)
        arranged = self.arranged(codes, arrangement, label)
        return Operand(arranged, float(value.a[0]) * arranged.scale)

    def coded(self, value: Value, label: str) -> Value:
        """The same value as codes times one number, deriving a grid where there is none."""
        source = value.source
        if isinstance(source, NetworkInput):
            raise NetworkError(
                f"input of {label} must be quantised (a QuantizeLinear before it), not float"
            )
        if isinstance(source, Codes) and value.scaled:
            return value
        if value.grid is not None and value.exact is not None:
            codes = self._codes(value.exact, *value.grid)
            return Value(source=codes, index=value.index)
        if isinstance(source, Operation) and source.kind == "Join":
            lows, highs = zip(*(reach(part) for part in source.details["values"]), strict=True)
            return self.quantise(value, *grid_of(min(lows), max(highs)), label)
        if isinstance(source, Codes):
            if value.uniform:
                real = value.after(value.a[0] * source.reals() + value.b[0])
            else:
                ends = np.array([[source.low], [source.high]]) - source.zero_point
                real = value.after(value.a * ends * source.scale + value.b)
            grid = grid_of(float(real.min()), float(real.max()))
            return Value(source=self._codes(value, *grid), index=value.index)
        assert isinstance(source, Operation)
        grid = derived_grid(source, label)
        plain = Value(source=source, index=storage_index(source.shape))
        codes = self._codes(plain, *grid)
        return self.coded(replace(value, source=codes), label)

    def same(self, codes: Codes, kind: str, shape: tuple[int, ...], **details: object) -> Codes:
        """Codes on the grid of ``codes``, moved by an operator that does not compute."""
        key = (id(codes), kind, shape, tuple(sorted(details.items())))
        if key not in self._made:
            moved = Operation(
                label=codes.label,
                shape=shape,
                kind=kind,
                inputs=(codes,),
                details=dict(details),
            )
            self._made[key] = Codes(
                label=codes.label,
                shape=shape,
                value=Value(source=moved, index=storage_index(shape)),
                scale=codes.scale,
                zero_point=codes.zero_point,
            )
            self._kept.append(codes)
        return self._made[key]

    def arranged(self, codes: Codes, arrangement: Indices, label: str) -> Codes:
        """Codes whose storage is the given arrangement of positions of ``codes``."""
        shape = arrangement.shape
        if arrangement.size == codes.size:
            if np.array_equal(arrangement.reshape(-1), np.arange(codes.size)):
                return codes if shape == codes.shape else self.same(codes, "Reshape", shape)
        channels = codes.channels
        table = arrangement.reshape(-1, shape[-1])
        rows, columns = table[:, 0] // channels, table[0] % channels
        whole = np.array_equal(table, rows[:, None] * channels + columns)
        if not whole or not np.array_equal(rows, np.arange(rows[0], rows[0] + len(rows))):
            raise NetworkError(
                f"input of {label} must be whole tokens and channels of {codes.label} in order, "
                f"not the arrangement {list(shape)} of its {list(codes.shape)}"
            )
        if codes.scores:
            raise NetworkError(f"attention scores must be taken whole, not in part by {label}")
        codes = (
            self.same(codes, "Reshape", (codes.size // channels, channels))
            if len(codes.shape) == 3
            else codes
        )
        if not np.array_equal(columns, np.arange(channels)):
            codes = self._gathered(codes, columns)
        if len(rows) != codes.shape[0]:
            start = int(rows[0])
            codes = self.same(
                codes, "Select", (len(rows), len(columns)), start=start, stop=start + len(rows)
            )
        return codes if codes.shape == shape else self.same(codes, "Reshape", shape)

    def _gathered(self, codes: Codes, columns: Indices) -> Codes:
        """Some channels of ``codes``: rows of the linear layer before them where there is one."""
        key = (id(codes), "columns", columns.tobytes())
        if key not in self._made:
            self._kept.append(codes)
            self._made[key] = self._gather(codes, columns)
        return self._made[key]

    def _gather(self, codes: Codes, columns: Indices) -> Codes:
        value, source = codes.value, codes.value.source
        shape = (codes.shape[0], len(columns))
        chosen: Codes | Operation
        if isinstance(source, Codes):
            chosen = self._gathered(source, columns)
        elif isinstance(source, Operation) and source.kind == "Convolution":
            details = dict(source.details)
            for name in ("weights", "weight_scales", "bias", "formats"):
                if len(details[name]):
                    details[name] = details[name][columns]
            chosen = replace(source, shape=shape, details=details)
        elif isinstance(source, Operation) and source.kind == "Reshape":
            inner = source.inputs[0]
            if inner.channels != codes.channels:
                return self.same(codes, "Columns", shape, columns=tuple(columns.tolist()))
            flat = self.same(inner, "Reshape", codes.shape)
            if flat is codes:
                return self.same(codes, "Columns", shape, columns=tuple(columns.tolist()))
            chosen = self._gathered(flat, columns)
            return chosen
        else:
            return self.same(codes, "Columns", shape, columns=tuple(columns.tolist()))

        def cut(numbers: Array) -> Array:
            return numbers if len(numbers) == 1 else numbers[columns]

        moved = replace(
            value, source=chosen, index=storage_index(shape), a=cut(value.a), b=cut(value.b)
        )
        return replace(codes, shape=shape, value=moved)

    def _codes(self, value: Value, scale: float, zero_point: int) -> Codes:
        """Codes of the whole source of ``value``."""
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

    def _join(self, value: Value, source: Operation, scale: float, zero_point: int) -> Value:
        """Concatenated tokens: every part goes onto the grid of the result."""
        parts = []
        for part, arrangement in zip(
            source.details["values"], source.details["arrangements"], strict=True
        ):
            given = part.source
            same = isinstance(given, Codes) and part.scaled
            if same:
                same = close(float(part.a[0]) * given.scale, scale)
                same = same and given.zero_point == zero_point
            codes = given if same else self._codes(part, scale, zero_point)
            parts.append(self.arranged(codes, arrangement, source.label))
        joined = replace(source, kind="Concat", inputs=tuple(parts), details={})
        plain = Value(source=joined, index=storage_index(source.shape))
        codes = self._codes(plain, scale, zero_point)
        return replace(value, source=codes)

    def _needless(self, value: Value, source: Codes, scale: float, zero_point: int) -> bool:
        """Whether a second quantiser neither clips nor matters: a finer grid is kept instead."""
        step = float(value.a[0]) * source.scale
        if close(step, scale) and zero_point == source.zero_point:
            return True
        if scale > _COARSER * step:
            return False
        low, high = reach(value)
        lost = _LOST_STEPS * scale
        return (
            scale * (-128 - zero_point) - lost <= low and high <= scale * (127 - zero_point) + lost
        )
