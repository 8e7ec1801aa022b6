"""Where every tensor of a network lies: in the scratchpad, or in a window of the memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from flows.mapper.home import Home
from flows.mapper.mapped import Lying
from flows.mapper.place import Allocator, Place, words_of
from flows.mapper.plan import concat_parts, head_groups
from models.machine.spec import MachineSpec
from models.network.graph import IntegerGraph, Reshape, SelectTokens
from models.numerics.quantized import TensorType
from models.program.host_data import Patches, TensorFormat
from models.program.layout import INPUT_WINDOW, OUTPUT_WINDOW, WORK_WINDOW

__all__ = ["Tensors", "with_views"]

PAGE = 64
"""Bytes that a tensor in the work window begins at a multiple of."""


def with_views(graph: IntegerGraph, names: Collection[str]) -> frozenset[str]:
    """Return tensors and all views of them."""
    found = set(names)
    for node in graph.nodes:
        if isinstance(node.operator, Reshape | SelectTokens) and node.inputs[0] in found:
            found.add(node.output)
    return frozenset(found)


class Tensors:
    """Places and homes of the tensors of one mapping.

    Parameters
    ----------
    far : names of tensors that live in memory
        The network's input and output in their windows, others in the work window.
    kinds : types of tensors as the host knows them, where the graph has them in other shapes
    """

    def __init__(
        self,
        graph: IntegerGraph,
        spec: MachineSpec,
        allocator: Allocator,
        far: Collection[str] = (),
        kinds: Mapping[str, TensorType] | None = None,
    ) -> None:
        self.graph, self.spec, self.allocator = graph, spec, allocator
        self.kinds = kinds or graph.tensors
        self.far = with_views(graph, far)
        self.places: dict[str, Place] = {}
        self.homes: dict[str, Home] = {}
        self.owner: dict[str, str] = {}  # tensor -> tensor whose memory it lies in
        self.groups = head_groups(graph, spec)
        self.inside = {
            part: whole
            for part, whole in concat_parts(graph, self.groups).items()
            if part not in self.far and whole[0] not in self.far
        }
        self.work_bytes = 0

    @property
    def used_words(self) -> int:
        """Words of the scratchpad in use."""
        return sum(stop - start for start, stop in self.allocator.used.values())

    def take(self, name: str, kind: TensorType, rows: int, channels: int) -> Place:
        """Reserve words of the scratchpad for rows of a tensor."""
        groups = self.groups.get(name, 1)
        words = words_of(self.spec, channels, kind.bits, groups)
        if name in self.inside:
            parent, row = self.inside[name]
            if parent not in self.places:
                self.take_tensor(parent)
            self.owner[name] = self.owner[parent]
            place = self.places[parent].part(row, row + rows)
        else:
            base = self.allocator.take(name, rows * words)
            self.owner[name] = name
            place = Place(
                base=base, rows=rows, channels=channels, row_words=words, bits=kind.bits,
                groups=groups,
            )  # fmt: skip
        self.places[name] = place
        return place

    def take_tensor(self, name: str) -> Place:
        """Reserve words of the scratchpad for a tensor as the network has it."""
        kind = self.graph.tensors[name]
        return self.take(name, kind, int(np.prod(kind.shape[:-1])), kind.shape[-1])

    def result(self, name: str) -> Place | Home:
        """Return the place or home of an operator's result, made if need be."""
        if name in self.far:
            return self.homes.get(name) or self.settle(name)
        return self.places.get(name) or self.take_tensor(name)

    def settle(self, name: str, rows: int | None = None, channels: int | None = None) -> Home:
        """Give a tensor its home in memory."""
        kind = self.graph.tensors[name]
        rows = int(np.prod(kind.shape[:-1])) if rows is None else rows
        channels = kind.shape[-1] if channels is None else channels
        groups = self.groups.get(name, 1)
        words = words_of(self.spec, channels, kind.bits, groups)
        windows = {self.graph.input: INPUT_WINDOW, self._result(): OUTPUT_WINDOW}
        window = windows.get(name, WORK_WINDOW)
        home = Home(
            window=window,
            offset=self.room_for(rows * words) if window == WORK_WINDOW else 0,
            rows=rows,
            channels=channels,
            row_words=words,
            bits=kind.bits,
            groups=groups,
        )
        self.homes[name] = home
        return home

    def lying(self, name: str) -> Lying:
        """Return where a tensor lies, for reports."""
        home = self.homes.get(name)
        if home is None:
            return Lying(name=name)
        size = home.rows * home.row_words * self.spec.word_pitch
        return Lying(name=name, window=home.window, offset=home.offset, size=size)

    def _result(self) -> str:
        """Return the tensor of which the network's output is all rows, in another shape."""
        makers = {node.output: node for node in self.graph.nodes}
        name = self.graph.output
        while name in makers and isinstance(makers[name].operator, Reshape):
            name = makers[name].inputs[0]
        return name

    def room_for(self, words: int) -> int:
        """Reserve words in the work window; return their offset in bytes."""
        offset = self.work_bytes
        self.work_bytes += -(-words * self.spec.word_pitch // PAGE) * PAGE
        return offset

    def release(self, index: int, last_use: dict[str, int]) -> None:
        """Free memory whose tensors all have had their last use."""
        needed = {self.owner[t] for t in self.owner if last_use.get(t, -1) > index}
        # Memory of a concatenation is taken before its node: keep it until its own last use.
        for name in set(self.allocator.used) - needed:
            if last_use.get(name, -1) <= index:
                self.allocator.free(name)

    def format(self, name: str, at: Place | Home, patches: Patches | None = None) -> TensorFormat:
        """Return the layout of a tensor in memory."""
        kind = self.kinds.get(name, self.graph.tensors[name])
        return TensorFormat(
            shape=kind.shape,
            rows=at.rows,
            channels=at.channels,
            word_bytes=self.spec.word_bytes,
            word_pitch=self.spec.word_pitch,
            bits=kind.bits,
            groups=at.groups,
            patches=patches,
        )
