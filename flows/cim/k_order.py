"""The order in which a machine brings the elements of K and the outputs of a layer to its macro."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from flows.mapper.place import words_of
from flows.mapper.plan import head_groups, stem_patches
from models.machine.spec import MachineSpec
from models.network.graph import IntegerGraph
from models.numerics.rescale import Integers
from models.ops.convolution import Convolution


@dataclass(frozen=True, kw_only=True, eq=False)
class Walk:
    """Places of a layer's elements and outputs; by default one after the other.

    Attributes
    ----------
    lanes : int
        Channels of a tap are filled up to whole beats of so many.
    patched : bool
        The taps of a position lie in one row, as the host lays out the first layer's input.
    groups, group_lanes : int
        Channels are heads, each filled up to so many.
    paired : bool
        Each tile of K meets weights of both signs (:func:`models.cim.decompose.paired_weights`).
    columns : int [columns], or None
        Output channel of every column, -1 where a head is filled up; None for all in order.
    """

    lanes: int = 1
    patched: bool = False
    groups: int = 1
    group_lanes: int = 0
    paired: bool = False
    columns: Integers | None = field(default=None, repr=False)

    def spread(self, taps: NDArray[np.integer]) -> NDArray[np.integer]:
        """``[n, kernel_h, kernel_w, channels]`` to ``[n, k]``, zeros where it is filled up."""
        if self.patched:
            taps = taps.reshape(len(taps), 1, 1, -1)
        if self.groups > 1:
            heads = taps.reshape(*taps.shape[:3], self.groups, -1)
            taps = _filled(heads, self.group_lanes).reshape(*taps.shape[:3], -1)
        return _filled(taps, self.lanes).reshape(len(taps), -1)

    def filling(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """How :meth:`spread` fills up taps ``[..., kernel_h, kernel_w, channels]``.

        Returns
        -------
        A number of elements that comes again and again, and how many of them, from the first one
        on, are not filling.
        """
        if self.groups > 1:
            return self.group_lanes, shape[-1] // self.groups
        valid = math.prod(shape[-3:]) if self.patched else shape[-1]
        return -(-valid // self.lanes) * self.lanes, valid

    def outputs(self, channels: NDArray[np.integer]) -> NDArray[np.integer]:
        """``[channels, ...]`` to ``[columns, ...]``, zeros where a column has no channel."""
        if self.columns is None:
            return channels
        shape = (-1,) + (1,) * (channels.ndim - 1)
        used = (self.columns >= 0).reshape(shape)
        return np.where(used, channels[np.maximum(self.columns, 0)], 0)

    def channels(self, columns: Integers) -> Integers:
        """``[n, columns]`` to ``[n, channels]``."""
        return columns if self.columns is None else columns[:, self.columns >= 0]


COMPACT = Walk()


def machine_walks(graph: IntegerGraph, spec: MachineSpec) -> dict[str, Walk]:
    """How a machine walks every layer with static weights, by the node's name."""
    groups = head_groups(graph, spec)
    stem = stem_patches(graph, spec)
    found = {}
    for node in graph.nodes:
        if not isinstance(node.operator, Convolution):
            continue
        source, target = node.inputs[0], node.output
        heads = groups.get(source, 1)
        channels = graph.tensors[source].shape[-1]
        words = words_of(spec, channels, graph.tensors[source].bits, heads)
        found[node.name] = Walk(
            lanes=spec.lanes,
            patched=stem is not None and node is stem[1],
            groups=heads,
            group_lanes=words // heads * spec.word_bytes,
            paired=spec.macro is not None and spec.macro.paired,
            columns=_columns(graph, spec, target, groups.get(target, 1)),
        )
    return found


def _columns(graph: IntegerGraph, spec: MachineSpec, target: str, heads: int) -> Integers | None:
    if heads == 1:
        return None
    kind = graph.tensors[target]
    channels = kind.shape[-1]
    words = words_of(spec, channels, kind.bits, heads) // heads
    order = np.full((heads, words * spec.word_bytes * 8 // kind.bits), -1, dtype=np.int64)
    order[:, : channels // heads] = np.arange(channels).reshape(heads, -1)
    return order.reshape(-1)


def _filled(array: NDArray[np.integer], lanes: int) -> NDArray[np.integer]:
    lack = -array.shape[-1] % lanes
    return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, lack)]) if lack else array
