"""Components under test with a scratchpad around them, so that every port of theirs is a stream."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from hdl.descriptors import struct
from hdl.engine.contract import accs_layout, acts_layout, weights_layout
from hdl.memory.scratchpad import Scratchpad, ScratchpadReader, beyond
from hdl.units.load_unit import TABLE_WRITE, ParamWrite
from hdl.units.matrix_unit import MatrixUnit
from hdl.units.weight_unit import WeightUnit
from hdl.vector.vector_unit import VectorUnit
from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.program.layout import ADDRESS, FIELDS

NOTE = data.StructLayout({"note": 8})


def word_write(spec: MachineSpec) -> data.StructLayout:
    """A word to be written to the scratchpad before a unit begins."""
    return data.StructLayout({"address": ADDRESS.bits, "word": 8 * spec.word_bytes})


class _WithScratchpad(Component):
    """Stream ``i_fill`` writes words; ``i_unit`` takes descriptors; ``done``, ``error``.

    ``out_of_bounds`` is high for a cycle where somebody reaches beyond the scratchpad.
    """

    def __init__(self, spec: MachineSpec, unit: Unit, members: dict[str, Any]) -> None:
        self.spec = spec
        super().__init__(
            {
                "i_fill": In(stream.Signature(word_write(spec))),
                "i_unit": In(stream.Signature(struct(FIELDS[unit]))),
                "done": Out(1),
                "error": Out(4),
                "out_of_bounds": Out(1),
                **members,
            }
        )

    def join(self, m: Module, part: Any, scratchpad: Scratchpad, port: int) -> None:
        """Wire descriptors, and the fill stream to a write port."""
        write = scratchpad.write[port]
        m.d.comb += [
            part.unit.descriptor.payload.eq(self.i_unit.payload),
            part.unit.descriptor.valid.eq(self.i_unit.valid),
            self.i_unit.ready.eq(part.unit.descriptor.ready),
            self.done.eq(part.unit.done),
            self.error.eq(part.unit.error),
            self.out_of_bounds.eq(scratchpad.out_of_bounds),
            write.valid.eq(self.i_fill.valid),
            write.address.eq(self.i_fill.payload.address),
            write.data.eq(self.i_fill.payload.word),
            write.enable.eq(~0),
            write.over.eq(beyond(scratchpad.spec, write.address)),
            self.i_fill.ready.eq(write.ready),
        ]


class MatrixBench(_WithScratchpad):
    """Matrix unit beside a scratchpad."""

    def __init__(self, spec: MachineSpec) -> None:
        super().__init__(spec, Unit.MATRIX, {"o_acts": Out(stream.Signature(acts_layout(spec)))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.unit = unit = MatrixUnit(self.spec)
        m.submodules.pad = pad = Scratchpad(self.spec, readers=1, writers=1)
        self.join(m, unit, pad, 0)
        connect(m, unit.port, pad.read[0])
        connect(m, unit.o_acts, flipped(self.o_acts))
        return m


class WeightBench(_WithScratchpad):
    """Weight unit beside a scratchpad."""

    def __init__(self, spec: MachineSpec) -> None:
        super().__init__(
            spec,
            Unit.WEIGHT,
            {
                "i_words": In(stream.Signature(8 * spec.word_bytes)),
                "o_weights": Out(stream.Signature(weights_layout(spec))),
            },
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.unit = unit = WeightUnit(self.spec)
        m.submodules.pad = pad = Scratchpad(self.spec, readers=1, writers=1)
        self.join(m, unit, pad, 0)
        connect(m, unit.port, pad.read[0])
        connect(m, flipped(self.i_words), unit.i_words)
        connect(m, unit.o_weights, flipped(self.o_weights))
        return m


class VectorBench(_WithScratchpad):
    """Vector unit beside a scratchpad that can be read back (``i_read``, ``o_read``)."""

    def __init__(self, spec: MachineSpec) -> None:
        params, tables = ParamWrite(spec), TABLE_WRITE
        super().__init__(
            spec,
            Unit.VECTOR,
            {
                "i_accs": In(stream.Signature(accs_layout(spec))),
                "i_params": In(stream.Signature(params)),
                "i_tables": In(stream.Signature(tables)),
                "i_read": In(stream.Signature(ADDRESS.bits)),
                "o_read": Out(stream.Signature(8 * spec.word_bytes)),
            },
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.unit = unit = VectorUnit(self.spec)
        m.submodules.pad = pad = Scratchpad(self.spec, readers=2, writers=2)
        m.submodules.back = back = ScratchpadReader(self.spec, NOTE)
        self.join(m, unit, pad, 1)
        connect(m, unit.read, pad.read[0])
        connect(m, unit.write, pad.write[0])
        connect(m, back.port, pad.read[1])
        connect(m, flipped(self.i_accs), unit.i_accs)
        enable = Cat(self.i_params.valid)
        m.d.comb += [
            unit.params.eq(self.i_params.payload),
            unit.params.enable.eq(enable),
            self.i_params.ready.eq(1),
            unit.tables.eq(self.i_tables.payload),
            unit.tables.function.eq(self.i_tables.valid & self.i_tables.payload.function),
            unit.tables.row.eq(self.i_tables.valid & self.i_tables.payload.row),
            self.i_tables.ready.eq(1),
            back.i.valid.eq(self.i_read.valid),
            back.i.payload.address.eq(self.i_read.payload),
            self.i_read.ready.eq(back.i.ready),
            self.o_read.valid.eq(back.o.valid),
            self.o_read.payload.eq(back.o.payload.word),
            back.o.ready.eq(self.o_read.ready),
        ]
        return m
