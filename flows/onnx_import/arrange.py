"""Rearranges codes without arithmetic: reshape, select tokens, select or permute channels."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from flows.onnx_import.network_error import NetworkError, shape_text
from flows.onnx_import.values import (
    Array,
    Codes,
    Indices,
    NetworkInput,
    Operation,
    Value,
    storage_index,
)

__all__ = ["Arranger"]


@dataclass(eq=False)
class Arranger:
    """Makes rearranged codes; equal requests give the same object."""

    _made: dict[tuple[object, ...], Codes] = field(default_factory=dict)
    _kept: list[object] = field(default_factory=list)

    def same(self, codes: Codes, kind: str, shape: tuple[int, ...], **details: object) -> Codes:
        """Return codes on the grid of ``codes``, rearranged by an operator without arithmetic."""
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
        """Return codes whose storage is the given arrangement of positions of ``codes``."""
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
                f"not its elements in another order ({shape_text(shape)} out of "
                f"{shape_text(codes.shape)}): {_way_out(codes)}"
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
        """Return some channels of ``codes``.

        After a linear layer this takes its rows; otherwise it needs an operator of its own.
        """
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
            details["products"] = details["products"] // len(details["weights"]) * len(columns)
            for name in ("weights", "starts", "weight_scales", "bias", "formats"):
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


def _way_out(codes: Codes) -> str:
    """Return advice on an arrangement that is not whole tokens and channels."""
    if isinstance(codes.value.source, NetworkInput) and len(codes.shape) == 3:
        return "an image must come as [1, channels, height, width], and whole"
    return "a transpose, crop or shuffle of pixels must be undone before an operator reads"
