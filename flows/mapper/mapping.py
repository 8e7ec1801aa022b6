"""Translates an integer graph to a program: places for tensors, descriptors for operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from flows.mapper import matrix_ops, vector_ops
from flows.mapper.convolution_op import Image, convolution
from flows.mapper.emitter import Emitter, Silent, reads, writes
from flows.mapper.macro_layer import MacroLayer
from flows.mapper.mapped import MappedLayer, MappedNetwork
from flows.mapper.operands import check_codes, check_product
from flows.mapper.order import mapping_order
from flows.mapper.place import Allocator, MappingError, Place, shown, words_of
from flows.mapper.plan import concat_parts, head_groups, last_uses, stem_patches
from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.network.flattened import flattened, whole_input
from models.network.graph import ConcatTokens, Constant, IntegerGraph, Node, Reshape, SelectTokens
from models.numerics.quantized import TensorType
from models.ops.add import Add
from models.ops.attention import AttentionContext, AttentionScores
from models.ops.convolution import Convolution
from models.ops.layer_norm import LayerNorm
from models.ops.pool import AveragePool, MaxPool
from models.ops.requantize import Requantize
from models.ops.softmax import Softmax
from models.program.host_data import Patches, TensorFormat
from models.program.layout import INPUT_WINDOW, OUTPUT_WINDOW, TRACE_WINDOW, LoadTarget


class Mapper:
    """One attempt at a mapping.

    Parameters
    ----------
    graph, spec, macro, trace
        See :func:`flows.mapper.map_network.map_network`.
    allocator : Allocator
        Allocator of the scratchpad.
    packs : bool
        Pack weights; otherwise only reserve their bytes.
    silent : bool
        Only find places: neither make nor check descriptors.
    """

    def __init__(
        self,
        graph: IntegerGraph,
        spec: MachineSpec,
        macro: Mapping[str, MacroLayer],
        trace: bool,
        *,
        allocator: Allocator,
        packs: bool = True,
        silent: bool = False,
    ) -> None:
        self.kinds = graph.tensors  # of the network as the host knows it
        self.whole = whole_input(graph)
        graph = flattened(graph)
        self.graph = replace(graph, nodes=tuple(mapping_order(graph.nodes, graph.output)))
        self.spec = spec
        self.macro = macro
        self.trace = trace
        self.out = Silent(spec) if silent else Emitter(spec, packs=packs)
        self.allocator = allocator
        self.places: dict[str, Place] = {}
        self.owner: dict[str, str] = {}  # tensor -> tensor whose memory it lies in
        self.groups = head_groups(self.graph, spec)
        self.inside = concat_parts(self.graph, self.groups)
        self.patches = stem_patches(self.graph, spec)
        self.layers: list[MappedLayer] = []
        self.traced: dict[str, tuple[int, TensorFormat]] = {}
        self.trace_at = 0

    def run(self) -> MappedNetwork:
        """Map the network; return program and constants as one image."""
        first, result = self.map()
        return MappedNetwork(
            spec=self.spec,
            image=self.out.finish(),
            input=first,
            output=result,
            layers=tuple(self.layers),
            descriptors=len(self.out.descriptors),
            peak_words=self.allocator.peak,
            trace=self.traced,
            trace_bytes=self.trace_at,
        )

    def map(self) -> tuple[TensorFormat, TensorFormat]:
        """Place all tensors and add all descriptors; return the layouts of input and output."""
        graph = self.graph
        first = self._load_input()
        last_use = last_uses(graph)
        for index, node in enumerate(graph.nodes):
            self.out.tag = index + 1
            try:
                self._node(node)
            except MappingError as error:
                layer = shown(node.name)
                raise MappingError(f"layer {layer!r}: {error}", **error.needs) from None
            if self.trace:
                self._trace(node.output)
            self._release(index, last_use)
        self.out.tag = len(graph.nodes) + 1
        place = self.places[graph.output]
        result = self._format(self.kinds[graph.output], place)
        self._store(place, OUTPUT_WINDOW, 0)
        return first, result

    # Memory

    def _take(self, name: str, kind: TensorType, rows: int, channels: int) -> Place:
        groups = self.groups.get(name, 1)
        words = words_of(self.spec, channels, kind.bits, groups)
        if name in self.inside:
            parent, row = self.inside[name]
            if parent not in self.places:
                self._take_tensor(parent)
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

    def _take_tensor(self, name: str) -> Place:
        kind = self.graph.tensors[name]
        return self._take(name, kind, int(np.prod(kind.shape[:-1])), kind.shape[-1])

    def _release(self, index: int, last_use: dict[str, int]) -> None:
        """Free memory whose tensors all have had their last use."""
        needed = {self.owner[t] for t in self.owner if last_use.get(t, -1) > index}
        # Memory of a concatenation is taken before its node: keep it until its own last use.
        for name in set(self.allocator.used) - needed:
            if last_use.get(name, -1) <= index:
                self.allocator.free(name)

    def _format(
        self, kind: TensorType, place: Place, patches: Patches | None = None
    ) -> TensorFormat:
        return TensorFormat(
            shape=kind.shape,
            rows=place.rows,
            channels=place.channels,
            word_bytes=self.spec.word_bytes,
            word_pitch=self.spec.word_pitch,
            bits=kind.bits,
            groups=place.groups,
            patches=patches,
        )

    def _load_input(self) -> TensorFormat:
        name = self.graph.input
        kind = self.graph.tensors[name]
        patches = None
        if self.patches is not None:
            patches, node = self.patches
            op = node.operator
            assert isinstance(op, Convolution)
            tall, wide, _ = op.output_shape(*kind.shape[:2])
            place = self._take(name, kind, tall * wide, op.weights[0].size)
        elif self.whole is not None:
            place = self._take(name, kind, *self.whole)
        else:
            place = self._take_tensor(name)
        layout = self._format(kind, place, patches)
        fields = {
            "target": LoadTarget.SCRATCHPAD,
            "window": INPUT_WINDOW,
            "address": place.base,
            "offset": 0,
            "beats": layout.size_bytes // self.spec.axi_bytes,
        }
        self.out.add(Unit.LOAD, fields, [writes(place.base, place.end)])
        return layout

    def _store(self, place: Place, window: int, offset: int) -> None:
        fields = {
            "window": window,
            "address": place.base,
            "offset": offset,
            "words": place.rows * place.row_words,
        }
        self.out.add(Unit.STORE, fields, [reads(place.base, place.end)])

    def _trace(self, name: str) -> None:
        place = self.places[name]
        layout = self._format(self.kinds.get(name, self.graph.tensors[name]), place)
        self._store(place, TRACE_WINDOW, self.trace_at)
        self.traced[name] = (self.trace_at, layout)
        self.trace_at += -(-layout.size_bytes // 64) * 64

    # Operators

    def _node(self, node: Node) -> None:
        op = node.operator
        macs, work = 0, matrix_ops.Work(beats=0)
        match op:
            case Reshape() | SelectTokens():
                self._view(node)
            case Constant():
                self._constant(node, op)
            case ConcatTokens():
                self._concat(node)
            case Convolution():
                work = self._convolution(node, op)
                positions = self.graph.tensors[node.output].shape[:-1]
                macs = int(np.prod(positions)) * op.macs_per_position
            case AttentionScores() | AttentionContext():
                work, macs = self._attention(node, op)
            case Requantize():
                vector_ops.requantize(self.out, op, self._in(node), self._take_tensor(node.output))
            case LayerNorm():
                vector_ops.layer_norm(self.out, op, self._in(node), self._take_tensor(node.output))
            case Softmax():
                vector_ops.softmax(self.out, op, self._in(node), self._take_tensor(node.output))
            case Add():
                a, b = self._in(node), self._in(node, 1)
                vector_ops.add(self.out, op, a, b, self._take_tensor(node.output))
            case MaxPool() | AveragePool():
                height, width, _ = self.graph.tensors[node.inputs[0]].shape
                target = self._take_tensor(node.output)
                vector_ops.pool(self.out, op, self._in(node), target, height=height, width=width)
        kind = type(op).__name__
        shape = self.graph.tensors[node.output].shape
        self.layers.append(
            MappedLayer(
                tag=self.out.tag, name=node.name, kind=kind, output=node.output, shape=shape,
                macs=macs, beats=work.beats, rows=work.rows,
                tiles=work.tiles,
            )
        )  # fmt: skip

    def _in(self, node: Node, index: int = 0) -> Place:
        return self.places[node.inputs[index]]

    def _view(self, node: Node) -> None:
        source, name = node.inputs[0], node.output
        place = self.places[source]
        shape = self.graph.tensors[name].shape
        if isinstance(node.operator, SelectTokens):
            place = place.part(node.operator.start, node.operator.stop)
        elif shape[-1] != place.channels and not self._stored_alone(name):
            raise MappingError(_reshaped(self.graph.tensors[source].shape, shape))
        self.places[name] = place
        self.owner[name] = self.owner[source]

    def _stored_alone(self, name: str) -> bool:
        """Flag: a tensor is the network's output and nothing else, so its shape is the host's."""
        return name == self.graph.output and not any(name in n.inputs for n in self.graph.nodes)

    def _constant(self, node: Node, op: Constant) -> None:
        place = self._take_tensor(node.output)
        layout = self._format(self.graph.tensors[node.output], place)
        access = [writes(place.base, place.end)]
        data = layout.pack(op.codes).tobytes()
        self.out.load_constant(LoadTarget.SCRATCHPAD, place.base, data, access)

    def _concat(self, node: Node) -> None:
        if node.output not in self.places:
            self._take_tensor(node.output)
        target = self.places[node.output]
        row = 0
        for tensor in node.inputs:
            place = self.places[tensor]
            part = target.part(row, row + place.rows)
            if place.base != part.base:
                vector_ops.copy_rows(self.out, place, part)
            row += place.rows

    def _convolution(self, node: Node, op: Convolution) -> matrix_ops.Work:
        place = self._in(node)
        check_codes(self.graph, self.spec, node.inputs[0])
        if self.patches is not None and node is self.patches[1]:
            patched = Convolution(
                weights=op.weights.reshape(len(op.weights), 1, 1, -1),
                formats=op.formats,
                requantize=op.requantize,
                input_zero=op.input_zero,
                products=op.products,
            )
            image = Image(place=place, height=1, width=place.rows)
            op = patched
        else:
            shape = self.graph.tensors[node.inputs[0]].shape
            height, width = (shape[0], shape[1]) if len(shape) == 3 else (1, shape[0])
            image = Image(place=place, height=height, width=width)
        target = self._take_tensor(node.output)
        layer = self.macro.get(node.name)
        if (layer is None) != (self.spec.macro is None):
            raise MappingError(
                "layers with static weights must have a MacroLayer if the machine has a macro, and "
                "none otherwise"
            )
        return convolution(self.out, self.spec, op, image, target, layer)

    def _attention(
        self, node: Node, op: AttentionScores | AttentionContext
    ) -> tuple[matrix_ops.Work, int]:
        left, right = self._in(node), self._in(node, 1)
        check_product(self.graph, self.spec, node.inputs, op)
        target = self._take_tensor(node.output)
        tensors = self.graph.tensors
        if isinstance(op, AttentionScores):
            work = matrix_ops.attention_scores(self.out, self.spec, op, left, right, target)
            depth = tensors[node.inputs[0]].shape[-1] // op.heads
        else:
            work = matrix_ops.attention_context(self.out, self.spec, op, left, right, target)
            depth = tensors[node.inputs[1]].shape[0]
        return work, int(np.prod(tensors[node.output].shape)) * depth


def _reshaped(source: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """Return the error message for a reshape that moves channels."""
    positions = " x ".join(map(str, source[:-1]))
    if int(np.prod(source)) == shape[-1]:
        return (
            f"{positions} positions of {source[-1]} channels, flattened, must be read by linear "
            f"layers and element-wise operators alone; pool to one position first (global "
            f"average), or normalise and concatenate before the flatten"
        )
    return (
        f"a reshape must keep the {source[-1]} channels of every position together, not make "
        f"{list(shape)} of {list(source)}; reshape positions only"
    )
