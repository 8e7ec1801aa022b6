"""Plans made before anything is emitted: heads, concatenations, patches, lifetimes."""

from __future__ import annotations

from models.machine.spec import MachineSpec
from models.network.graph import ConcatTokens, IntegerGraph, Node, Reshape, SelectTokens
from models.ops.attention import AttentionContext, AttentionScores
from models.ops.convolution import Convolution
from models.program.host_data import Patches


def head_groups(graph: IntegerGraph, spec: MachineSpec) -> dict[str, int]:
    """Return the number of heads of each tensor that needs a channel group for each head.

    These are operands of attention whose heads do not fill whole words, and the tensors that they
    are views of.
    """
    groups: dict[str, int] = {}
    for node in graph.nodes:
        op = node.operator
        if isinstance(op, AttentionScores):
            groups |= dict.fromkeys(node.inputs, op.heads)
        elif isinstance(op, AttentionContext):
            groups |= {node.inputs[1]: op.heads, node.output: op.heads}
    for node in reversed(graph.nodes):
        if isinstance(node.operator, Reshape | SelectTokens) and node.output in groups:
            groups.setdefault(node.inputs[0], groups[node.output])
    return {
        name: heads
        for name, heads in groups.items()
        if graph.tensors[name].shape[-1] // heads % spec.word_bytes
    }


def concat_parts(graph: IntegerGraph, groups: dict[str, int]) -> dict[str, tuple[str, int]]:
    """Return the tensors that can be written in place: concatenation, and first row in it."""
    makers = {node.output: node for node in graph.nodes}
    uses: dict[str, int] = {}
    for node in graph.nodes:
        for tensor in node.inputs:
            uses[tensor] = uses.get(tensor, 0) + 1
    parts: dict[str, tuple[str, int]] = {}
    for node in graph.nodes:
        if not isinstance(node.operator, ConcatTokens):
            continue
        row = 0
        for tensor in node.inputs:
            source = tensor
            while source in makers and isinstance(makers[source].operator, Reshape):
                if uses[source] != 1:
                    break
                source = makers[source].inputs[0]
            free = source in makers and uses[source] == 1 and source not in groups
            if free and not isinstance(
                makers[source].operator, SelectTokens | ConcatTokens | Reshape
            ):
                parts[source] = (node.output, row)
            row += graph.tensors[tensor].shape[0]
    return parts


def stem_patches(graph: IntegerGraph, spec: MachineSpec) -> tuple[Patches, Node] | None:
    """Return patches and node of the stem, if patches suit it better than a few-channel image."""
    users = [n for n in graph.nodes if graph.input in n.inputs]
    if len(users) != 1 or not isinstance(users[0].operator, Convolution):
        return None
    op = users[0].operator
    _, kernel_y, kernel_x, channels = op.weights.shape
    taps = kernel_y * kernel_x
    lanes = spec.lanes
    walked = taps * -(-channels // lanes)
    packed = -(-taps * channels // lanes)
    if len(graph.tensors[graph.input].shape) != 3 or packed >= walked or op.groups > 1:
        return None
    patches = Patches(
        kernel=(kernel_y, kernel_x),
        stride=op.stride,
        padding=op.padding,
        dilation=op.dilation,
        zero=op.input_zero,
    )
    return patches, users[0]


def last_uses(graph: IntegerGraph) -> dict[str, int]:
    last: dict[str, int] = {}
    for index, node in enumerate(graph.nodes):
        for tensor in (*node.inputs, node.output):
            last[tensor] = index
    last[graph.output] = len(graph.nodes)
    return last
