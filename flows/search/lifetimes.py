"""Scratchpad words that a network needs at once, from the lifetimes of its tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from flows.estimate.cycles.geometry import Column, ceil, words_of
from flows.estimate.cycles.machine_layer import INPUT, Layer, Work
from flows.estimate.machine_points import Points

__all__ = ["live_words"]


class _Rows(NamedTuple):
    """A tensor: ``rows`` rows of channels; ``stem``: taps of an image that may become patches."""

    rows: int
    channels: int
    bits: int = 8
    heads: int = 1
    patches: tuple[int, int] = (0, 0)


def live_words(points: Points, layers: Sequence[Layer]) -> Column:
    """``[n]`` largest number of scratchpad words that live tensors take at a time.

    Operators read and write different words. Gaps that the mapper leaves between tensors are not
    counted. If a layer list names only one operand of an addition
    (:mod:`flows.estimate.cycles.workload_layers`), the other one is the input of the first layer
    since the last addition whose input has the result's shape.
    """
    found = np.zeros(len(points), dtype=np.int64)
    known: dict[_Rows, Column] = {}
    for tensors in {tuple(sorted(step)) for step in _steps(layers)}:
        words = np.zeros(len(points), dtype=np.int64)
        for tensor in tensors:
            if tensor not in known:
                known[tensor] = _words(points, tensor)
            words = words + known[tensor]
        found = np.maximum(found, words)
    return found


def _words(points: Points, tensor: _Rows) -> Column:
    plain = words_of(points, tensor.channels, tensor.bits, tensor.heads) * tensor.rows
    taps, positions = tensor.patches
    if not taps:
        return plain
    lanes = points.lanes
    packed = ceil(taps * tensor.channels, lanes) < taps * ceil(tensor.channels, lanes)
    return np.where(packed, words_of(points, taps * tensor.channels) * positions, plain)


def _steps(layers: Sequence[Layer]) -> list[list[_Rows]]:
    """The tensors that live while each layer runs."""
    last = _last_uses(layers)
    extra = _residuals(layers)
    steps = []
    for index in range(len(layers)):
        live = [_made(layers, i) for i in range(INPUT, index + 1) if last.get(i, -2) >= index]
        steps.append([t for t in live if t is not None] + extra.get(index, []))
    return steps


def _made(layers: Sequence[Layer], index: int) -> _Rows | None:
    """The tensor that a layer makes, or the network's input; None for views."""
    if index == INPUT:
        first = next(x for x in layers if INPUT in x.sources)
        patches = (first.taps, first.positions) if first.stem else (0, 0)
        return _Rows(first.rows_in or first.positions, first.channels, 8, 1, patches)
    layer = layers[index]
    if layer.work is Work.VIEW:
        return None
    return _Rows(layer.positions, layer.outputs, layer.bits_out, layer.out_heads)


def _last_uses(layers: Sequence[Layer]) -> dict[int, int]:
    """Last reader of each layer's tensor, by layer. A view extends the life of its source."""
    last = {index: index for index in range(len(layers))}
    for index in reversed(range(len(layers))):
        layer = layers[index]
        until = last[index] if layer.work is Work.VIEW else index
        if index == len(layers) - 1:
            last[index] = until = len(layers)
        for source in layer.sources:
            if layer.work is not Work.CONSTANT:
                last[source] = max(last.get(source, -1), until)
    return last


def _residuals(layers: Sequence[Layer]) -> dict[int, list[_Rows]]:
    """Second operands of additions that name one operand only, by layers during which they live."""
    found: dict[int, list[_Rows]] = {}
    begin = 0
    for index, layer in enumerate(layers):
        if layer.work is not Work.ADD:
            continue
        if len(layer.sources) < 2:
            shape = (layer.positions, layer.outputs)
            alike = (i for i in range(begin, index) if _reads(layers[i]) == shape)
            tensor = _Rows(layer.positions, layer.outputs, layer.bits_in)
            start = next(alike, begin)
            # While its first reader runs, it is counted as that layer's source.
            for at in range(start + 1 if start < index else start, index + 1):
                found.setdefault(at, []).append(tensor)
        begin = index + 1
    return found


def _reads(layer: Layer) -> tuple[int, int]:
    return layer.rows_in or layer.positions, layer.channels
