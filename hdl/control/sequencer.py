"""Sequencer: queues descriptors for each unit and starts them when their tokens have arrived."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.fifo import SyncFIFO, SyncFIFOBuffered
from amaranth.lib.wiring import Component, In, Out

from hdl.descriptors import UnitSignature, struct
from models.cost.pipelines import LOADS_AT_ONCE, STORES_AT_ONCE
from models.machine.spec import MachineSpec
from models.machine.units import UNIT_NAMES, UNITS, WORKING_UNITS, Unit
from models.program.layout import DESCRIPTOR_BYTES, FIELDS, HEADER, width
from models.program.legal import rules
from models.program.registers import ErrorCode

TOKEN_BITS = 8

AT_ONCE = {Unit.LOAD: LOADS_AT_ONCE, Unit.STORE: STORES_AT_ONCE}
"""Descriptors that a unit may have begun and not done; one, where it is not named."""


class Sequencer(Component):
    """In-order dispatch into five queues; each unit takes its own queue in order.

    A descriptor is checked in the cycle before its queue takes it, and reaches the head of an empty
    queue two cycles after that. It starts a cycle after, for every bit ``p`` of its ``wait``, the
    counter of tokens from unit ``p`` to this unit has come above 0; starting takes one token from
    each of these counters. When done it adds one token for every bit of ``signal``. A program in a
    valid sequential order cannot deadlock, since every token comes from an earlier descriptor.
    Load and store unit may begin further descriptors before they are done with the first
    (:data:`AT_ONCE`); they are done with them in order.

    Attributes
    ----------
    i : stream of raw descriptors
    unit_* : port of each unit, by its name
    go : in
        Descriptors may be dispatched and started.
    finished : out
        ``END`` was seen, all queues are empty and every unit is idle.
    active, tag : out
        Per unit: it has a descriptor, and the tag of the one that it will be done with next.
    noted : out
        Per unit: tag of the descriptor that it began or was done with in the last cycle.
    start : out
        One bit per unit, high for the cycle in which it takes a descriptor.
    error : out
        ``BAD_DESCRIPTOR`` or ``TOKEN_OVERFLOW``.
    """

    def __init__(self, spec: MachineSpec) -> None:
        self.spec = spec
        members = {
            f"unit_{n}": In(UnitSignature(u))
            for u, n in zip(WORKING_UNITS, UNIT_NAMES, strict=True)
        }
        super().__init__(
            {
                "i": In(stream.Signature(8 * DESCRIPTOR_BYTES)),
                "go": In(1),
                "finished": Out(1),
                "active": Out(UNITS),
                "start": Out(UNITS),
                "tag": Out(data.ArrayLayout(16, UNITS)),
                "noted": Out(data.ArrayLayout(16, UNITS)),
                "error": Out(4),
                **members,
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        header = data.View(struct(HEADER), self.i.payload[: width(HEADER)])
        rest, ended = Signal(), Signal()
        # Flags of the waiting descriptor are registered: its rules are sums and comparisons.
        seen, ends, unknown = Signal(), Signal(), Signal()
        mine, legal = Signal(UNITS), Signal(UNITS)
        m.d.sync += [
            seen.eq(self.i.valid & ~self.i.ready),
            ends.eq(header.unit == Unit.END),
            unknown.eq((header.unit != Unit.END) & (header.unit >= UNITS)),
            *(mine[unit].eq(header.unit == unit) for unit in WORKING_UNITS),
            *(legal[unit].eq(self._legal(m, unit)) for unit in WORKING_UNITS),
        ]
        m.d.comb += rest.eq(~self.active.any())
        queues = []
        takes_it = []  # a unit's queue; no more than one of them: a chain of choices would be deep
        for unit in WORKING_UNITS:
            bits = width(HEADER) + width(FIELDS[unit])
            queue = SyncFIFOBuffered(width=bits, depth=self.spec.queue_depth)
            m.submodules[f"queue_{unit.name.lower()}"] = queue
            m.d.comb += queue.w_data.eq(self.i.payload[:bits])
            with m.If(self.go & seen & mine[unit]):
                with m.If(legal[unit]):
                    m.d.comb += queue.w_en.eq(1)
                with m.Else():
                    m.d.sync += self.error.eq(ErrorCode.BAD_DESCRIPTOR)
            takes_it.append(mine[unit] & legal[unit] & queue.w_rdy)
            queues.append(queue)
        m.d.comb += self.i.ready.eq(self.go & seen & (ends | Cat(takes_it).any()))
        with m.If(self.go & seen):
            with m.If(ends):
                m.d.sync += ended.eq(1)
            with m.Elif(unknown):
                m.d.sync += self.error.eq(ErrorCode.BAD_DESCRIPTOR)
        m.d.comb += self.finished.eq(ended & rest & ~Cat(q.r_rdy for q in queues).any())

        tokens = {
            (p, c): Signal(TOKEN_BITS, name=f"tokens_{p}_{c}")
            for p in range(UNITS)
            for c in range(UNITS)
        }
        gives = {key: Signal(name=f"give_{key[0]}_{key[1]}") for key in tokens}
        takes = {key: Signal(name=f"take_{key[0]}_{key[1]}") for key in tokens}
        some = {key: Signal(name=f"some_{key[0]}_{key[1]}") for key in tokens}  # not 0
        over = {key: Signal(name=f"over_{key[0]}_{key[1]}") for key in tokens}
        for key, counter in tokens.items():
            m.d.sync += some[key].eq(gives[key] | (counter > 1) | ((counter != 0) & ~takes[key]))
            m.d.sync += counter.eq(counter + gives[key] - takes[key])
            m.d.sync += over[key].eq(counter.all() & gives[key] & ~takes[key])
        with m.If(Cat(over.values()).any()):
            m.d.sync += self.error.eq(ErrorCode.TOKEN_OVERFLOW)

        for index, (unit, queue) in enumerate(zip(WORKING_UNITS, queues, strict=True)):
            port = getattr(self, f"unit_{unit.name.lower()}")
            head = data.View(struct(HEADER), queue.r_data[: width(HEADER)])
            ready = Cat(~head.wait[p] | some[p, index] for p in range(UNITS)).all()
            begin = self.start[index]
            # Tokens that have come are this queue's alone: they are still there a cycle later.
            armed = Signal(name=f"armed_{index}")
            signal, room = self._begun(m, index, unit, head, port.done)
            m.d.sync += armed.eq(queue.r_rdy & ready & self.go & room & ~begin)
            m.d.comb += [
                port.descriptor.payload.eq(queue.r_data[width(HEADER) :]),
                # In the cycle of an end no start: `noted` has one tag.
                port.descriptor.valid.eq(armed & self.go & ~port.done),
                begin.eq(port.descriptor.valid & port.descriptor.ready),
                queue.r_en.eq(begin),
            ]
            for other in range(UNITS):
                m.d.comb += [
                    takes[other, index].eq(begin & head.wait[other]),
                    gives[index, other].eq(port.done & self.active[index] & signal[other]),
                ]
        return m

    def _begun(
        self, m: Module, index: int, unit: Unit, head: data.View, done: Signal
    ) -> tuple[Value, Value]:
        """Keep what is needed of descriptors that a unit has begun.

        Returns the ``signal`` of the one that it will be done with next, and whether the unit may
        begin another one.
        """
        begin, tag, noted = self.start[index], self.tag[index], self.noted[index]
        active = self.active[index]
        depth = AT_ONCE.get(unit, 1)
        if depth == 1:
            signal = Signal(UNITS, name=f"signal_{index}")
            with m.If(begin):
                m.d.sync += [signal.eq(head.signal), tag.eq(head.tag), active.eq(1)]
            with m.Elif(done):
                m.d.sync += active.eq(0)
            m.d.comb += noted.eq(tag)
            return signal, ~active
        begun = SyncFIFO(width=UNITS + 16, depth=depth)
        m.submodules[f"begun_{unit.name.lower()}"] = begun
        m.d.comb += [
            begun.w_data.eq(Cat(head.signal, head.tag)),
            begun.w_en.eq(begin),
            begun.r_en.eq(done),
            tag.eq(begun.r_data[UNITS:]),
            active.eq(begun.r_rdy),
        ]
        m.d.sync += noted.eq(Mux(begin, head.tag, tag))
        return begun.r_data[:UNITS], begun.w_rdy

    def _legal(self, m: Module, unit: Unit) -> Value:
        """Flag: the waiting descriptor obeys the field rules of its unit."""
        start = width(HEADER)
        fields = data.View(
            struct(FIELDS[unit]), self.i.payload[start : start + width(FIELDS[unit])]
        )
        kept: list[Value] = []
        for number, rule in enumerate(rules(self.spec)[unit]):
            total = sum((fields[name] for name in rule.fields[1:]), fields[rule.fields[0]])
            if rule.minus is not None:
                total = total - fields[rule.minus]
            name = f"{unit.name.lower()}_rule{number}"
            # A bound that the field's width implies needs no comparator.
            signed = total.shape().signed
            least = -(1 << len(total) - 1) if signed else 0
            bounds = []
            if rule.low > least:
                bounds.append(total >= rule.low)
            if rule.high is not None and rule.high < least + (1 << len(total)) - 1:
                bounds.append(total <= rule.high)
            if rule.without is not None:
                bounds.append(total != rule.without)
            if not bounds:
                continue
            holds = Signal(len(bounds), name=name)
            m.d.comb += holds.eq(Cat(bounds))
            others = Const(0) if rule.op is None else fields["op"] != rule.op
            kept.append(others | holds.all())
        return Cat(kept).all()
