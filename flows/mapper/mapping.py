"""Translates an integer graph to a program: places for tensors, descriptors for operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from flows.mapper import matrix_ops, vector_ops
from flows.mapper.attention_op import attend
from flows.mapper.convolution_op import Image
from flows.mapper.emitter import Emitter, Silent, reads, writes
from flows.mapper.macro_layer import MacroLayer
from flows.mapper.mapped import MappedLayer, MappedNetwork
from flows.mapper.operands import check_codes
from flows.mapper.operate import operate
from flows.mapper.order import mapping_order
from flows.mapper.place import Allocator, MappingError, Place, shown
from flows.mapper.plan import last_uses, stem_patches
from flows.mapper.reshaped import reshaped
from flows.mapper.spill import Spilling
from flows.mapper.striped import Operand, Striped, move
from flows.mapper.strips import Frame, frame_of
from flows.mapper.tensors import Tensors
from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.network.flattened import flattened, whole_input
from models.network.graph import (
    ConcatTokens,
    Constant,
    IntegerGraph,
    Node,
    Reshape,
    SelectTokens,
)
from models.ops.attention import AttentionContext, AttentionScores
from models.ops.convolution import Convolution
from models.program.host_data import TensorFormat
from models.program.layout import INPUT_WINDOW, OUTPUT_WINDOW, WORK_WINDOW, LoadTarget


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
    spilling : Spilling, optional
        Tensors that live in memory; by default none does.
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
        spilling: Spilling | None = None,
    ) -> None:
        kinds = graph.tensors  # of the network as the host knows it
        self.whole = whole_input(graph)
        graph = flattened(graph)
        self.graph = replace(graph, nodes=tuple(mapping_order(graph.nodes, graph.output)))
        self.spec = spec
        self.macro = macro
        self.trace = trace
        self.out = Silent(spec) if silent else Emitter(spec, packs=packs)
        self.spilling = spilling or Spilling()
        self.at = Tensors(self.graph, spec, allocator, self.spilling.far, kinds)
        self.patches = stem_patches(self.graph, spec)
        self.layers: list[MappedLayer] = []
        self.traced: dict[str, tuple[int, TensorFormat]] = {}

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
            peak_words=self.at.allocator.peak,
            trace=self.traced,
            work_bytes=self.at.work_bytes,
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
            self.at.release(index, last_use)
        self.out.tag = len(graph.nodes) + 1
        if graph.output in self.at.homes:
            home = self.at.homes[graph.output]
            if home.window != OUTPUT_WINDOW:
                room = self.spilling.room(graph.output, home.row_words)
                own = replace(home, window=OUTPUT_WINDOW, offset=0)
                move(self.out, self.at.allocator, graph.output, home, own, room)
            return first, self.at.format(graph.output, home)
        place = self.at.places[graph.output]
        self._store(place, OUTPUT_WINDOW, 0)
        return first, self.at.format(graph.output, place)

    # Memory

    def _load_input(self) -> TensorFormat:
        name = self.graph.input
        kind = self.graph.tensors[name]
        rows, channels, patches = int(np.prod(kind.shape[:-1])), kind.shape[-1], None
        if self.patches is not None:
            patches, node = self.patches
            op = node.operator
            assert isinstance(op, Convolution)
            tall, wide, _ = op.output_shape(*kind.shape[:2])
            rows, channels = tall * wide, op.weights[0].size
        elif self.whole is not None:
            rows, channels = self.whole
        if name in self.at.far:
            return self.at.format(name, self.at.settle(name, rows, channels), patches)
        place = self.at.take(name, kind, rows, channels)
        layout = self.at.format(name, place, patches)
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
        home = self.at.homes.get(name)
        if home is not None:
            # What lives in the work window is there to be seen; input and output are in theirs.
            if home.window == WORK_WINDOW:
                self.traced[name] = (home.offset, self.at.format(name, home))
            return
        place = self.at.places[name]
        offset = self.at.room_for(place.rows * place.row_words)
        self._store(place, WORK_WINDOW, offset)
        self.traced[name] = (offset, self.at.format(name, place))

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
            case AttentionScores() | AttentionContext():
                work, macs = attend(self.out, self.at, self.spilling, node, op)
            case _:
                work = self._one_result(node)
        if isinstance(op, Convolution):
            positions = self.graph.tensors[node.output].shape[:-1]
            macs = int(np.prod(positions)) * op.macs_per_position
        self.spilling.note(node.output, self.at.allocator.used)
        kind = type(op).__name__
        shape = self.graph.tensors[node.output].shape
        self.layers.append(
            MappedLayer(
                tag=self.out.tag, name=node.name, kind=kind, output=node.output, shape=shape,
                macs=macs, beats=work.beats, rows=work.rows,
                tiles=work.tiles, reads=tuple(map(self.at.lying, node.inputs)),
                makes=self.at.lying(node.output),
            )
        )  # fmt: skip

    def _view(self, node: Node) -> None:
        source, name = node.inputs[0], node.output
        shape = self.graph.tensors[name].shape
        select = node.operator if isinstance(node.operator, SelectTokens) else None
        same = shape[-1] == (self.at.homes.get(source) or self.at.places[source]).channels
        if select is None and not same and not self._stored_alone(name):
            raise MappingError(reshaped(self.graph.tensors[source].shape, shape))
        if source in self.at.homes:
            home = self.at.homes[source]
            part = home if select is None else home.part(select.start, select.stop, self.spec)
            self.at.homes[name] = part
            return
        place = self.at.places[source]
        self.at.places[name] = place if select is None else place.part(select.start, select.stop)
        self.at.owner[name] = self.at.owner[source]

    def _stored_alone(self, name: str) -> bool:
        """Flag: a tensor is the network's output and nothing else, so its shape is the host's."""
        return name == self.graph.output and not any(name in n.inputs for n in self.graph.nodes)

    def _constant(self, node: Node, op: Constant) -> None:
        place = self.at.take_tensor(node.output)
        layout = self.at.format(node.output, place)
        access = [writes(place.base, place.end)]
        data = layout.pack(op.codes).tobytes()
        self.out.load_constant(LoadTarget.SCRATCHPAD, place.base, data, access)

    def _concat(self, node: Node) -> None:
        target = self.at.result(node.output)
        row = 0
        for tensor in node.inputs:
            source = self.at.homes.get(tensor) or self.at.places[tensor]
            stop = row + source.rows
            if isinstance(target, Place) and isinstance(source, Place):
                part = target.part(row, stop)
                if source.base != part.base:
                    vector_ops.copy_rows(self.out, source, part)
            else:
                place = (
                    target.part(row, stop)
                    if isinstance(target, Place)
                    else target.part(row, stop, self.spec)
                )
                self.spilling.note(node.output, self.at.allocator.used)
                room = self.spilling.room(node.output, source.row_words)
                move(self.out, self.at.allocator, tensor, source, place, room)
            row = stop

    def _one_result(self, node: Node) -> matrix_ops.Work:
        """Emit an operator that makes lines of lines, in strips if a tensor lives in memory."""
        op = node.operator
        if isinstance(op, Convolution):
            check_codes(self.graph, self.spec, node.inputs[0])
            if (self.macro.get(node.name) is None) != (self.spec.macro is None):
                raise MappingError(
                    "layers with static weights must have a MacroLayer if the machine has a "
                    "macro, and none otherwise"
                )
        patched = self.patches is not None and node is self.patches[1]
        if patched:
            assert isinstance(op, Convolution)
            op = replace(
                op,
                weights=op.weights.reshape(len(op.weights), 1, 1, -1),
                stride=(1, 1),
                dilation=(1, 1),
                padding=(0, 0, 0, 0),
            )
        tensors = self.graph.tensors
        names = (*node.inputs, node.output)
        target = self.at.result(node.output)
        if not any(name in self.at.far for name in names):
            assert isinstance(target, Place)
            images = [self._image(name, patched=patched) for name in node.inputs]
            return operate(self.out, op, images, target, self.macro.get(node.name))
        if self.spec.macro is not None:
            raise MappingError("tensors must fit the scratchpad of a machine with a macro")
        flat = len(tensors[node.output].shape) == 2
        if flat and isinstance(op, Convolution) and op.weights.shape[1:3] != (1, 1):
            raise MappingError("a kernel over tokens must have its operands in the scratchpad")
        shape = tensors[node.output].shape
        framed = Frame(lines=shape[0], width=1 if flat else shape[1])
        work = Striped(
            name=node.output,
            operator=op,
            sources=[
                Operand(
                    at=self.at.homes.get(name) or self.at.places[name],
                    frame=framed if patched else frame_of(tensors[name].shape),
                )
                for name in node.inputs
            ],
            target=Operand(at=target, frame=framed),
            flat=flat,
        )
        self.spilling.note(node.output, self.at.allocator.used)
        room = self.spilling.room(node.output, work.least_words)
        return work.emit(
            self.out,
            self.at.allocator,
            room,
            lambda part, images, place: operate(self.out, part, images, place),
        )

    def _image(self, name: str, *, patched: bool) -> Image:
        place, shape = self.at.places[name], self.graph.tensors[name].shape
        if patched or len(shape) == 2:
            return Image(place=place, height=1, width=place.rows)
        return Image(place=place, height=shape[0], width=shape[1])
