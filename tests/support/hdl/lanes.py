"""A vector lane and the row scalars between streams: descriptor by descriptor, as in the unit."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import Component, In, Out

from hdl.descriptors import struct
from hdl.units.load_unit import TABLE_WRITE
from hdl.vector.lane import ROW_VALUES, VectorLane
from hdl.vector.row_scalar import RowScalar, sums_layout
from models.cost.pipelines import LANE_LATENCY, REDUCE_STAGE
from models.machine.spec import MachineSpec
from models.program.layout import VECTOR

LANES = 4
OPERAND = data.StructLayout(
    {"x": signed(32), "y": signed(16), "param": 72, "square": 1, "row": ROW_VALUES}
)
RESULT = data.StructLayout({"result": signed(16), "sum": signed(18), "square": 36, "exp": 16})
BEAT = data.StructLayout({"lanes": data.ArrayLayout(OPERAND, LANES), "last": 1})


class _Configured(Component):
    """Takes a descriptor when nothing of the one before is left, then items up to ``last``."""

    def __init__(self, members: dict[str, Any]) -> None:
        super().__init__(
            {
                "i_config": In(stream.Signature(struct(VECTOR))),
                "i_tables": In(stream.Signature(TABLE_WRITE)),
                **members,
            }
        )

    def configure(self, m: Module, part: Any, *, empty: Any, ended: Any) -> Signal:
        """Gives whether items may come."""
        busy = Signal()
        m.d.comb += [
            self.i_config.ready.eq(~busy & empty),
            self.i_tables.ready.eq(1),
            part.table.entry.eq(self.i_tables.payload.entry),
            part.table.value.eq(self.i_tables.payload.value),
            part.table.function.eq(self.i_tables.valid & self.i_tables.payload.function),
            part.table.row.eq(self.i_tables.valid & self.i_tables.payload.row),
        ]
        with m.If(self.i_config.valid & self.i_config.ready):
            m.d.sync += [part.config.eq(self.i_config.payload), busy.eq(1)]
        with m.If(ended):
            m.d.sync += busy.eq(0)
        return busy


class LaneBench(_Configured):
    """``LANES`` lanes side by side; an element only enters if there is room for its result."""

    ROOM = 32

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(BEAT)),
                "o": Out(stream.Signature(data.ArrayLayout(RESULT, LANES))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes = [VectorLane() for _ in range(LANES)]
        results = Signal(data.ArrayLayout(RESULT, LANES))
        m.submodules.fifo = fifo = SyncFIFO(width=len(results.as_value()), depth=self.ROOM)
        valid = Signal(LANE_LATENCY)
        under_way = Signal(range(self.ROOM + 1))
        taken, given = self.i.valid & self.i.ready, self.o.valid & self.o.ready
        config = Signal(struct(VECTOR))
        # `configure` drives one part; its configuration and table writes go to all lanes.
        part = _Fan(config, TABLE_WRITE)
        busy = self.configure(m, part, empty=under_way == 0, ended=taken & self.i.payload.last)
        known = Signal()  # lanes have decoded the descriptor
        m.d.sync += known.eq(busy & ~(taken & self.i.payload.last))
        m.d.comb += [
            fifo.w_en.eq(valid[-1]),
            fifo.w_data.eq(results),
            self.o.valid.eq(fifo.r_rdy),
            self.o.payload.eq(fifo.r_data),
            fifo.r_en.eq(self.o.ready),
            self.i.ready.eq(known & (under_way != self.ROOM)),
        ]
        m.d.sync += [valid.eq(Cat(taken, valid)), under_way.eq(under_way + taken - given)]
        for index, lane in enumerate(lanes):
            m.submodules[f"lane{index}"] = lane
            operand, result = self.i.payload.lanes[index], results[index]
            m.d.comb += [
                lane.config.eq(config),
                lane.table.eq(part.table),
                lane.x.eq(operand.x),
                lane.y.eq(operand.y),
                lane.param.eq(operand.param),
                lane.square.eq(operand.square),
                lane.row.eq(operand.row),
                result.result.eq(lane.result),
            ]
            # The reductions' values come earlier: they wait for their result.
            for name in ("sum", "square", "exp"):
                value = getattr(lane, f"reduce_{name}")
                for step in range(LANE_LATENCY - REDUCE_STAGE):
                    later = Signal(value.shape(), name=f"{name}{index}_{step}")
                    m.d.sync += later.eq(value)
                    value = later
                m.d.comb += result[name].eq(value)
        return m


class _Fan:
    """Configuration and table port that several lanes listen to."""

    def __init__(self, config: Signal, table: data.Layout) -> None:
        self.config, self.table = config, Signal(table)


class RowScalarBench(_Configured):
    """Row scalars with room for the results, which cannot be held up."""

    ROOM = 4

    def __init__(self, spec: MachineSpec) -> None:
        self.scalar = RowScalar(spec)
        self.sums = data.StructLayout({"sums": sums_layout(spec), "last": 1})
        self.result = data.StructLayout(
            {"row": self.scalar.o_row.shape(), "mean": signed(18), "entry": 17, "shift": 6}
        )
        super().__init__(
            {"i": In(stream.Signature(self.sums)), "o": Out(stream.Signature(self.result))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.scalar = scalar = self.scalar
        m.submodules.fifo = fifo = SyncFIFO(width=self.result.size, depth=self.ROOM)
        config = Signal(struct(VECTOR))
        part = _Fan(config, TABLE_WRITE)
        under_way = Signal(range(self.ROOM + 1))
        taken, given = self.i.valid & self.i.ready, self.o.valid & self.o.ready
        m.d.sync += under_way.eq(under_way + taken - given)
        ended = taken & self.i.payload.last
        busy = self.configure(m, part, empty=under_way == 0, ended=ended)
        may = busy & (under_way != self.ROOM)
        results = [scalar.o_row, scalar.o_mean, scalar.o_entry, scalar.o_shift]
        m.d.comb += [
            scalar.config.eq(config),
            scalar.table.eq(part.table),
            scalar.i.valid.eq(self.i.valid & may),
            scalar.i.payload.eq(self.i.payload.sums),
            self.i.ready.eq(scalar.i.ready & may),
            fifo.w_en.eq(scalar.o_valid),
            fifo.w_data.eq(Cat(results)),
            self.o.valid.eq(fifo.r_rdy),
            self.o.payload.eq(fifo.r_data),
            fifo.r_en.eq(self.o.ready),
        ]
        return m
