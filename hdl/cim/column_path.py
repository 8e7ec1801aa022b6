"""One column of the macro: cells, noise, converter and total."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from hdl.cim.column import Column, column_latency
from hdl.cim.combine import ColumnTotal, event_layout
from hdl.cim.converter import Converter, write_layout
from hdl.cim.noise import COLUMN_LATENCY, SHARED_LATENCY, ColumnNoise
from hdl.cim.shape import MacroShape, Write, index_bits
from hdl.cim.sums import delayed
from hdl.cim.tables import Tables
from models.cim.cim_spec import Decomposition

KINDS = list(Write.__members__.values())
"""What an item of the configuration stream may write, in the order of its flags."""


def ahead(shape: MacroShape) -> int:
    """Latency of two paths that must agree: walk's entry to column sum, step's number to noise."""
    return max(1 + column_latency(shape), SHARED_LATENCY + COLUMN_LATENCY)


def late(shape: MacroShape) -> int:
    """Cycles from the last entry of a slice to its event at the totals."""
    return ahead(shape) + shape.spec.adc_bits + 3 + shape.calibrated


def walked_layout(shape: MacroShape) -> data.StructLayout:
    """What a column needs of the walk: bank and tile, entry, valid, begin of a new sum."""
    entry = index_bits(shape.entries)
    return data.StructLayout({"at": shape.at_bits, "entry": entry, "valid": 1, "first": 1})


def common_ports(shape: MacroShape) -> dict[str, Any]:
    """What a column needs that is the same for all of them, by port."""
    return {
        "walked": walked_layout(shape),
        "acts": data.ArrayLayout(shape.spec.dac_bits, shape.lanes),
        "cell_at": shape.at_bits,
        "taken": 1,
        "config": shape.config(),
        "writes": len(KINDS),
        "write": write_layout(shape),
        "shared": 32,
        "byte": 2,
        "sampling": 1,
        "step": index_bits(shape.spec.adc_bits + 1),
        "step_valid": 1,
        "coming": event_layout(shape),
        "event": event_layout(shape),
    }


class ColumnPath(Component):
    """All that a column has of its own, so that it can have a clock enable of its own.

    Latency and throughput as in :class:`~hdl.cim.core.Core`.

    Attributes
    ----------
    walked, acts : in
        Entry (see :class:`~hdl.cim.column.Column`) and its activations.
    cells, taken : in
        An item of the weight stream for this column; ``cell_at`` is its bank and tile.
    config, writes, write : in
        An item of the configuration stream; one flag for each kind; a cycle later, a write to the
        converter.
    shared, byte, sampling : in
        To :class:`~hdl.cim.noise.ColumnNoise`.
    step, step_valid, relu : in
        To :class:`~hdl.cim.converter.Converter`.
    coming, event, zero : in
        To :class:`~hdl.cim.combine.ColumnTotal`.
    total, factors : out
        From there.
    """

    def __init__(self, shape: MacroShape, tables: Tables, column: int) -> None:
        self.shape, self.tables, self.column = shape, tables, column
        super().__init__(
            {
                **{name: In(each) for name, each in common_ports(shape).items()},
                "cells": In(shape.cells()),
                "relu": In(1),
                "zero": In(signed(shape.spec.adc_bits + 2)),
                "total": Out(signed(shape.column_bits)),
                "factors": Out(signed(shape.factor_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        shape, tables, c = self.shape, self.tables, self.column
        m.submodules.cells = column = Column(shape, tables.caps[c], fixed=tables.fixed)
        m.submodules.noise = own = ColumnNoise(shape, tables.noise, fixed=tables.fixed)
        m.submodules.converter = converter = Converter(shape)
        m.submodules.total = total = ColumnTotal(shape, tables.decode[c])
        index, item = self.config.index, self.config.data
        here = self.config.column == c if shape.spec.columns > 1 else 1
        write_here = self.write.column == c if shape.spec.columns > 1 else 1
        mine = self.cells.column == c if shape.spec.columns > 1 else 1
        key = Signal(32, init=tables.keys[c])
        if not tables.fixed:
            with m.If(self._writes(Write.KEY) & here):
                m.d.sync += key.eq(item)
        m.d.comb += [
            column.at.eq(self.walked.at),
            column.entry.eq(self.walked.entry),
            column.valid.eq(self.walked.valid),
            column.first.eq(self.walked.first),
            column.acts.eq(self.acts),
            column.cap_entry.eq(index),
            column.caps.eq(item),
            column.cap_write.eq(self._writes(Write.CAPS) & here),
            column.cell_at.eq(self.cell_at),
            column.cell_entry.eq(self.cells.entry),
            column.digits.eq(self.cells.digits),
            column.cell_write.eq(self.taken & mine),
            own.shared.eq(self.shared),
            own.key.eq(key),
            own.byte.eq(self.byte),
            own.sampling.eq(self.sampling),
            own.table.eq(index),
            own.entry.eq(item),
            own.write.eq(self._writes(Write.NOISE)),
            converter.valid.eq(self.step_valid),
            converter.step.eq(self.step),
            converter.sum.eq(column.sum),
            converter.noise.eq(own.value),
            converter.relu.eq(self.relu),
            converter.write.eq(self.write),
            converter.write.base.eq(self.write.base & write_here),
            converter.write.weight.eq(self.write.weight & write_here),
            total.coming.eq(self.coming),
            total.event.eq(self.event),
            total.zero.eq(self.zero),
            total.code.eq(converter.code),
            total.index.eq(index),
            total.entry.eq(item),
            total.write.eq(self._writes(Write.DECODE) & here),
            self.total.eq(total.total),
            self.factors.eq(total.factors),
        ]
        if shape.spec.decomposition is Decomposition.POLARISED:
            m.d.comb += total.negative.eq(self._sign(m, column.cell_write))
        return m

    def _writes(self, kind: Write):  # type: ignore[no-untyped-def]
        return self.writes[KINDS.index(kind)]

    def _sign(self, m: Module, write: Signal) -> Signal:
        """Return the sign of the column's group in the walked tile, with the coming event."""
        m.submodules.signs = signs = Memory(shape=1, depth=1 << self.shape.at_bits, init=[])
        writer, reader = signs.write_port(), signs.read_port()
        m.d.comb += [
            writer.addr.eq(self.cell_at),
            writer.data.eq(self.cells.negative),
            writer.en.eq(write),
            reader.addr.eq(self.walked.at),
        ]
        # The walked entry is as much later than the walk's as column and noise differ, and one.
        before = ahead(self.shape) - column_latency(self.shape)
        return delayed(m, reader.data, late(self.shape) - before - 2, "sign", data=True)
