"""Vector unit: requantisation, activations, pooling, additions, layer norm, softmax."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from hdl.descriptors import UnitSignature
from hdl.engine.contract import accs_layout
from hdl.memory.scratchpad import ReadPort, ScratchpadReader, WritePort
from hdl.units.load_unit import TABLE_WRITE, OrderWrite, ParamWrite
from hdl.vector.beat_walk import tag_layout
from hdl.vector.issue import VectorIssue
from hdl.vector.lane import ROW_VALUES, VectorLane
from hdl.vector.operand_fetch import VectorFetch, word_meta
from hdl.vector.part_sums import PartSums
from hdl.vector.reduce import RowReduce
from hdl.vector.result_queue import ResultQueue
from hdl.vector.row_scalar import RowScalar
from hdl.vector.scatter import RowOrder, scattered
from hdl.vector.word_max import WordMax
from models.cost.pipelines import LANE_LATENCY, REDUCE_STAGE
from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.program.layout import VectorOp
from models.program.registers import ErrorCode


class VectorUnit(Component):
    """Processes ``vector_lanes`` elements per cycle and pass, one descriptor at a time.

    Passes over a row: one for requantisation, table, addition and pooling, two for layer norm,
    three for softmax. Rows are processed in groups of ``row_group``, so that the scalar work of one
    row overlaps the passes over the others.

    Once issued, beats never wait: results queue for their write, and a beat is only issued if there
    is a place for its result. Latency from a beat's words to its write is ``ISSUE_LATENCY +
    LANE_LATENCY + RESULT_LATENCY`` cycles.
    """

    def __init__(self, spec: MachineSpec) -> None:
        self.spec = spec
        super().__init__(
            {
                "unit": Out(UnitSignature(Unit.VECTOR)),
                "read": Out(ReadPort(spec)),
                "write": Out(WritePort(spec)),
                "i_accs": In(stream.Signature(accs_layout(spec))),
                "params": In(ParamWrite(spec)),
                "order": In(OrderWrite(spec)),
                "tables": In(TABLE_WRITE),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        m.submodules.fetch = fetch = VectorFetch(spec)
        m.submodules.reader = reader = ScratchpadReader(spec, word_meta(spec))
        m.submodules.window = window = WordMax(spec)
        m.submodules.issue = issue = VectorIssue(spec)
        m.submodules.reduce = reduce = RowReduce(spec)
        m.submodules.scalar = scalar = RowScalar(spec)
        connect(m, reader.port, flipped(self.read))
        connect(m, fetch.o, reader.i)
        connect(m, reader.o, window.i)
        connect(m, window.o, issue.i_words)
        connect(m, reduce.o, scalar.i)
        connect(m, flipped(self.i_accs), issue.i_accs)

        d = Signal(self.unit.descriptor.payload.shape())
        busy, start, begin = Signal(), Signal(), Signal()
        m.submodules.queue = queue = ResultQueue(spec)
        connect(m, queue.write, flipped(self.write))
        m.d.comb += [
            begin.eq(self.unit.descriptor.valid & self.unit.descriptor.ready),
            self.unit.descriptor.ready.eq(~busy),
            fetch.config.eq(d),
            issue.config.eq(d),
            scalar.config.eq(d),
            fetch.start.eq(start),
            issue.start.eq(start),
            issue.ready.eq(queue.room),
            scalar.table.eq(self.tables),
            self.unit.stall.eq(busy & ~issue.ahead.valid),
            self.unit.done.eq(queue.done),
        ]
        m.d.sync += [
            start.eq(begin),
            window.on.eq(d.op == VectorOp.MAX_POOL),
            window.wide.eq(d.wide_in),
        ]
        with m.If(begin):
            m.d.sync += [d.eq(self.unit.descriptor.payload), busy.eq(1)]
            # The lanes shift whatever goes to the row reductions.
            with m.If(self.unit.descriptor.payload.op != VectorOp.LAYER_NORM):
                m.d.sync += d.pre_shift.eq(0)
        with m.If(self.unit.done):
            m.d.sync += busy.eq(0)

        uses_params = (d.op == VectorOp.DRAIN) | (d.op == VectorOp.LAYER_NORM)
        over = issue.param >= spec.param_entries
        if spec.scatter:
            over |= (d.op == VectorOp.DRAIN) & ~d.short & (issue.order >= spec.param_entries)
        with m.If(issue.ahead.valid & uses_params & over):
            m.d.sync += self.unit.error.eq(ErrorCode.ENTRY_BOUNDS)
        tags = self._tags(m, issue)
        params = self._params(m, issue)
        sums = None
        if spec.part_sums:
            m.submodules.part_sums = sums = PartSums(spec)
            self._keeps = sums.keeps
            m.d.comb += [
                sums.config.eq(d),
                sums.start.eq(start),
                sums.ahead.eq(issue.ahead.valid),
                sums.beat.eq(tags[1].valid & tags[1].write),
            ]
            with m.If(sums.over):
                m.d.sync += self.unit.error.eq(ErrorCode.ENTRY_BOUNDS)
        row = self._rows(m, issue, reduce, scalar)
        results = []
        for index in range(spec.vector_lanes):
            lane = VectorLane()
            m.submodules[f"lane{index}"] = lane
            m.d.comb += [
                lane.config.eq(d),
                lane.x.eq(issue.x[index]),
                lane.y.eq(issue.y[index]),
                lane.param.eq(params[index] if sums is None else sums.params[index]),
                lane.square.eq(tags[0].square),
                lane.row.eq(row),
                lane.table.eq(self.tables),
                reduce.codes[index].eq(lane.reduce_sum),
                reduce.squares[index].eq(lane.reduce_square),
                reduce.exponentials[index].eq(lane.reduce_exp),
            ]
            if sums is not None:
                m.d.comb += [sums.own[index].eq(params[index]), sums.i[index].eq(lane.sum)]
            results.append(lane.result)
        m.d.comb += [
            reduce.tag.eq(tags[REDUCE_STAGE]),
            queue.takes.eq(tags[0].valid & (tags[0].write | tags[0].end)),
        ]
        self._write(m, tags, results, d, queue)
        return m

    def _tags(self, m: Module, issue: VectorIssue) -> list[Signal]:
        """Delay tags as the lanes do; element ``i`` belongs to stage ``i``."""
        tags = [Signal(tag_layout(self.spec), name=f"tag{i}") for i in range(LANE_LATENCY + 1)]
        m.d.comb += tags[0].eq(issue.tag)
        for earlier, later in zip(tags, tags[1:], strict=False):
            m.d.sync += later.eq(earlier)
        return tags

    def _params(self, m: Module, issue: VectorIssue) -> list[Signal]:
        """Build a memory of 72-bit parameters for each lane, read while operands are formed."""
        out = []
        for lane in range(self.spec.vector_lanes):
            memory = Memory(shape=72, depth=self.spec.param_entries, init=[])
            m.submodules[f"params{lane}"] = memory
            reader, writer = memory.read_port(), memory.write_port()
            m.d.comb += [
                writer.en.eq(self.params.enable & (self.params.lane == lane)),
                writer.addr.eq(self.params.entry),
                writer.data.eq(self.params.value),
                reader.addr.eq(issue.param),
            ]
            out.append(reader.data)
        return out

    def _rows(self, m: Module, issue: VectorIssue, reduce: RowReduce, scalar: RowScalar) -> Signal:
        """Store scalars of the rows of a group; count the rows whose scalars are known."""
        spec = self.spec
        row = Signal(ROW_VALUES)
        scalars = Memory(shape=18 + 17 + 6, depth=spec.row_group, init=[])
        maxima = Memory(shape=16, depth=spec.row_group, init=[])
        m.submodules.row_scalars, m.submodules.row_maxima = scalars, maxima
        for memory, valid, at, value in (
            (
                scalars,
                scalar.o_valid,
                scalar.o_row,
                Cat(scalar.o_mean, scalar.o_entry, scalar.o_shift),
            ),
            (maxima, reduce.max_valid, reduce.max_row, reduce.max),
        ):
            writer = memory.write_port()
            m.d.comb += [writer.en.eq(valid), writer.addr.eq(at), writer.data.eq(value)]
        read_scalars, read_maxima = scalars.read_port(), maxima.read_port()
        for reader in (read_scalars, read_maxima):
            m.d.comb += reader.addr.eq(issue.ahead.row)
        m.d.comb += [
            Cat(row.mean, row.entry, row.shift).eq(read_scalars.data),
            row.max.eq(read_maxima.data),
        ]
        for count, event in (
            (issue.first_done, reduce.max_valid),
            (issue.second_done, scalar.o_valid),
        ):
            known = Signal(range(spec.row_group + 1), name="known")
            with m.If(issue.group_start):
                m.d.sync += known.eq(0)
            with m.Elif(event):
                m.d.sync += known.eq(known + 1)
            m.d.comb += count.eq(known)
        return row

    def _write(
        self,
        m: Module,
        tags: list[Signal],
        results: list[Signal],
        d: Signal,
        queue: ResultQueue,
    ) -> None:
        """Build the last stage: place the codes in the bytes of a word."""
        spec, tag, word = self.spec, tags[LANE_LATENCY], queue.i
        narrow = Cat(r[:8] for r in results)
        wide = Cat(results)
        size = 8 * spec.vector_lanes
        enable_wide = Cat(bit for lane in range(spec.vector_lanes) for bit in [tag.mask[lane]] * 2)
        for index in range(spec.subwords):
            at = slice(index * spec.vector_lanes, (index + 1) * spec.vector_lanes)
            part = (index & 1) * spec.vector_lanes
            here = tag.chunk == (index & ~1)
            m.d.comb += word.data[index * size : (index + 1) * size].eq(
                Mux(d.wide_out, wide.word_select(index & 1, size), narrow)
            )
            with m.If(d.wide_out):
                m.d.comb += word.enable[at].eq(
                    Mux(here, enable_wide[part : part + spec.vector_lanes], 0)
                )
            with m.Else():
                m.d.comb += word.enable[at].eq(Mux(tag.chunk == index, tag.mask, 0))
        write = Signal()
        # Sums that are kept are no codes yet.
        codes = tag.write & ~self._keeps if spec.part_sums else tag.write
        m.d.comb += [word.address.eq(tag.address), write.eq(codes)]
        if spec.scatter:
            m.submodules.order = order = RowOrder(spec)
            m.d.comb += [
                order.write.eq(self.order),
                order.entry.eq(tags[LANE_LATENCY - 2].order),
                order.row.eq(tags[LANE_LATENCY - 1].address),
            ]
            ordered = Signal()
            m.d.sync += ordered.eq((d.op == VectorOp.DRAIN) & ~d.short)
            with m.If(ordered):
                m.d.comb += [
                    word.address.eq(order.address),
                    word.data.eq(scattered(m, order, results, d.wide_out)),
                    word.enable.eq(order.enable),
                    write.eq(codes & order.enable.any()),
                ]
        m.d.comb += [
            word.write.eq(write),
            word.end.eq(tag.end),
            queue.i_valid.eq(tag.valid & (tag.write | tag.end)),
        ]
