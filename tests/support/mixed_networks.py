"""Random networks of which each is hard for a small machine in several ways at once.

Every one has an image of one to three channels as input, a tensor above the scratchpad, a product
whose K is above the depth, and a convolution in groups of some kind.
"""

from __future__ import annotations

from math import prod

import numpy as np

from models.machine.spec import MachineSpec
from models.network.graph import IntegerGraph, Reshape
from models.ops.add import Add
from models.ops.attention import AttentionScores
from models.ops.convolution import Convolution
from models.ops.pool import AveragePool, MaxPool, Window
from tests.support.random_layers import Builder

__all__ = ["FEATURES", "features", "mixed_network"]

FEATURES = (
    "above the scratchpad", "K above the depth", "depthwise", "channel multiplier",
    "channels in groups", "flattened", "addition", "pool", "attention", "linear",
    "1 channel in", "2 channels in", "3 channels in",
)  # fmt: skip
"""What :func:`features` may find; no attention where activations have fewer than 8 bits."""


def mixed_network(seed: int, spec: MachineSpec) -> IntegerGraph:
    """The network of a seed: large maps first, then deep products, then tokens or a flat row."""
    rng = np.random.default_rng([seed, 300])
    channels = int(rng.choice([4, 6, 8, 12, 16, 20]))
    rows = spec.scratchpad_words * rng.uniform(1.02, 1.5) / -(-channels // spec.word_bytes)
    width = max(6, int(np.sqrt(rows) * rng.uniform(0.6, 1.6)))
    step = int(rng.choice([1, 1, 2]))
    sides = (step * (int(rows / width) + 1), step * width)
    b = Builder(
        rng, (*sides, int(rng.integers(1, 4))), classes=spec.classes, act_bits=spec.act_bits
    )
    at = _stem(b, channels, step)
    grouped = 0
    for _ in range(b.pick(1, 2, 2, 3)):
        grouped += int(choice := b.pick(0, 1, 2)) == 0
        at = _in_groups(b, at) if choice == 0 else _same_size(b, at)
    at = _smaller(b, at, b.pick(30, 60, 100))
    if not grouped or rng.random() < 0.4:
        at = _in_groups(b, at)
    kind = b.pick(0, 1, 2)
    if kind != 1:
        at = _deep(b, at, spec.depth)
    at = _flat(b, at, spec.depth, must=kind == 1) if kind else _tokens(b, at)
    return b.graph(f"mixed-{seed}", at)


def features(graph: IntegerGraph, spec: MachineSpec) -> set[str]:
    """What of ``FEATURES`` a network has, for a machine."""
    found = {f"{graph.tensors[graph.input].shape[-1]} channel{_s(graph)} in"}
    size = spec.scratchpad_words * spec.word_bytes
    for kind in graph.tensors.values():
        if prod(kind.shape[:-1]) * -(-kind.shape[-1] // spec.word_bytes) * spec.word_bytes > size:
            found.add("above the scratchpad")
    for node in graph.nodes:
        op, source = node.operator, graph.tensors[node.inputs[0]].shape
        if isinstance(op, Convolution):
            out, *_, depth = op.weights.shape
            if op.weights[0].size > spec.depth:
                found.add("K above the depth")
            if op.groups > 1:
                several = "channel multiplier" if out > op.groups else "depthwise"
                found.add("channels in groups" if depth > 1 else several)
            elif len(source) == 2:
                found.add("linear")
        elif isinstance(op, Reshape) and op.shape[-1] not in (source[-1], 1):
            found.add("flattened")
        elif isinstance(op, Add):
            found.add("addition")
        elif isinstance(op, MaxPool | AveragePool):
            found.add("pool")
        elif isinstance(op, AttentionScores):
            found.add("attention")
    return found


def _s(graph: IntegerGraph) -> str:
    return "" if graph.tensors[graph.input].shape[-1] == 1 else "s"


def _codes(b: Builder, at: str) -> str:
    """Codes that a product may read: of fewer bits on a machine of fewer."""
    return b.map(at) if b.act_bits < 8 else at


def _padded(b: Builder, kernel: tuple[int, int]) -> tuple[int, int, int, int]:
    """Padding after which a map is about as large as before."""
    top, left = (k // 2 for k in kernel)
    return (top, left, kernel[0] - 1 - top + b.pick(0, 0, 1), kernel[1] - 1 - left)


def _stem(b: Builder, channels: int, step: int) -> str:
    """An image becomes a map of so many channels, often with an operator in front."""
    at = "input"
    if b.act_bits < 8 or b.rng.random() < 0.3:
        at = b.map(at) if step == 2 or b.rng.random() < 0.5 else b.join(at, b.map(at))
        at = _codes(b, at)
    kernel = (b.pick(1, 2, 3, 5), b.pick(1, 3, 3, 5))
    depth = b.tensors[at].shape[-1]
    groups = depth if depth > 1 and channels % depth == 0 and b.rng.random() < 0.4 else 1
    return b.conv(
        at, channels, kernel=kernel, groups=groups, stride=(step, step), padding=_padded(b, kernel)
    )


def _in_groups(b: Builder, at: str) -> str:
    """A convolution in groups: one channel each, with a multiplier or not, or several channels."""
    depth = b.tensors[at].shape[-1]
    kernel = (b.pick(1, 2, 3), b.pick(1, 3))
    sizes = [size for size in range(1, depth) if depth % size == 0]
    size = 1 if b.rng.random() < 0.5 else b.pick(*sizes)
    more = b.pick(1, 1, 2, 3) if depth <= 16 else 1
    stride = (b.pick(1, 1, 2), b.pick(1, 1, 2))
    return b.conv(
        _codes(b, at), more * depth, kernel=kernel, groups=depth // size, stride=stride,
        padding=_padded(b, kernel),
    )  # fmt: skip


def _same_size(b: Builder, at: str) -> str:
    """An operator whose result is as large as its operand."""
    choice = b.pick(0, 1, 2)
    if choice == 0:
        return b.map(at)
    if choice == 1:
        return b.join(at, b.map(at))
    kernel = (b.pick(1, 3), b.pick(1, 3))
    inner = b.conv(
        _codes(b, at), b.tensors[at].shape[-1], kernel=kernel,
        padding=(kernel[0] // 2, kernel[1] // 2) * 2,
    )  # fmt: skip
    return b.join(inner, at) if b.rng.random() < 0.5 else inner


def _smaller(b: Builder, at: str, most: int) -> str:
    """Pools and convolutions with strides until a map has at most so many positions."""
    while prod(b.tensors[at].shape[:2]) > most:
        height, width, channels = b.tensors[at].shape
        kernel = (min(height, 3), min(width, 3))
        stride = (min(height, b.pick(2, 3)), min(width, b.pick(2, 3)))
        if b.rng.random() < 0.6:
            at = b.pool_by(at, Window(kernel=kernel, stride=stride, padding=(0, 0, 0, 0)))
        else:
            out = min(24, channels + b.pick(0, 4))
            at = b.conv(_codes(b, at), out, kernel=kernel, stride=stride)
    return at


def _deep(b: Builder, at: str, depth: int) -> str:
    """A convolution whose K is above the depth, on a map widened for it."""
    height, width, _ = b.tensors[at].shape
    kernel = (min(height, b.pick(3, 5)), min(width, 3))
    need = depth // prod(kernel) + 1
    at = b.conv(_codes(b, at), need + b.pick(0, 1, 7, need), kernel=(1, 1))
    return b.conv(
        _codes(b, at), b.pick(3, 8, 13), kernel=kernel, stride=(b.pick(1, 2), 1),
        padding=_padded(b, kernel),
    )  # fmt: skip


def _flat(b: Builder, at: str, depth: int, *, must: bool) -> str:
    """Linear layers on a map as one row, which ``must`` be above the depth or need not."""
    positions = prod(b.tensors[at].shape[:2])
    if must and prod(b.tensors[at].shape) <= depth:
        at = b.conv(_codes(b, at), depth // positions + b.pick(1, 2, 9))
    whole = (1, prod(b.tensors[at].shape))
    at = b.add(Reshape(whole), (at,), whole)
    if b.act_bits < 8 or b.rng.random() < 0.4:
        at = b.map(at)
    out = b.linear(at, b.pick(4, 9, 20, 33))
    if b.rng.random() < 0.3:
        out = b.join(out, b.linear(at, b.tensors[out].shape[-1]))
    return b.linear(_codes(b, out), b.pick(1, 5, 10))


def _tokens(b: Builder, at: str) -> str:
    """Attention or linear layers on the positions of a map."""
    *sides, channels = b.tensors[at].shape
    shape = (prod(sides), channels)
    at = b.add(Reshape(shape), (at,), shape)
    if b.act_bits == 8:
        at = b.norm(at) if b.rng.random() < 0.4 else at
        at = b.attention(at) if b.rng.random() < 0.7 else at
    return b.linear(_codes(b, at), b.pick(3, 10, 30), wide=bool(b.rng.random() < 0.3))
