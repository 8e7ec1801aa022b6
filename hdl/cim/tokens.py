"""Turns groups of tokens, which arrive in parallel beat by beat, into vectors in sequence."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from hdl.cim.shape import MacroShape
from hdl.engine.contract import acts_layout
from models.machine.spec import MachineSpec


def filling(spec: MachineSpec, shape: MacroShape) -> dict[str, int]:
    """Return names and bits of a layer's padding parameters; empty unless the macro skips zeros.

    Of each ``period`` elements of K all but the first ``valid`` ones are padding.
    """
    names = ("period", "valid") if shape.spec.zero_skip else ()
    return dict.fromkeys(names, spec.depth.bit_length())


class Tokens(Component):
    """Double buffer of K loops: one enters for all tokens at once, one leaves token by token.

    Latency: a vector begins two cycles after the group's last beat. Throughput one beat per cycle
    on either side, so a group takes ``tokens`` times its beats to leave.

    Attributes
    ----------
    i : stream of :func:`~hdl.engine.contract.acts_layout`
    offset : in
        Added to every activation, which makes it unsigned.
    period, valid : in
        If the macro skips zeros: of ``period`` elements only the first ``valid`` ones are
        activations. The others are set to zero, as memory holds data of earlier layers there.
    open, leaves : in, out
        Another vector may leave; strobe: the last beat of a vector leaves.
    o : stream of :meth:`~hdl.cim.shape.MacroShape.acts`
    """

    def __init__(self, spec: MachineSpec, shape: MacroShape) -> None:
        self.spec, self.shape = spec, shape
        super().__init__(
            {
                "i": In(stream.Signature(acts_layout(spec))),
                "offset": In(signed(spec.act_width + 1)),
                **{name: In(bits) for name, bits in filling(spec, shape).items()},
                "open": In(1),
                "leaves": Out(1),
                "o": Out(stream.Signature(shape.acts())),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        bits = max(1, (spec.depth_entries - 1).bit_length())
        group = data.StructLayout({"end": bits, "release": 1})
        groups = [Signal(group, name=f"group{i}") for i in range(2)]
        full, fill, use = Signal(2), Signal(), Signal()
        k, e = Signal(bits), Signal(bits)
        token = Signal(range(max(2, spec.tokens)))
        beat = self.i.payload
        words = beat["values"].as_value()
        m.submodules.words = memory = Memory(shape=len(words), depth=2 << bits, init=[])
        writer, reader = memory.write_port(), memory.read_port()
        taken, stored, move, walk = Signal(), Signal(), Signal(), Signal()
        end, end_group = Signal(), Signal()
        now = Signal(group)
        m.d.comb += [
            self.i.ready.eq(~full.bit_select(fill, 1)),
            taken.eq(self.i.valid & self.i.ready),
            stored.eq(taken & beat.last),
            writer.addr.eq(Cat(k, fill)),
            writer.data.eq(words),
            writer.en.eq(taken),
            now.eq(Mux(use, groups[1], groups[0])),
            move.eq(~self.o.valid | self.o.ready),
            walk.eq(move & self.open & full.bit_select(use, 1)),
            end.eq(e == now.end),
            self.leaves.eq(walk & end),
            end_group.eq(walk & end & (token == spec.tokens - 1)),
            reader.addr.eq(Cat(e, use)),
            reader.en.eq(move),
        ]
        with m.If(taken):
            m.d.sync += [k.eq(Mux(beat.last, 0, k + 1)), fill.eq(fill ^ beat.last)]
        for bank in range(2):
            with m.If(stored & (fill == bank)):
                m.d.sync += [
                    full[bank].eq(1),
                    groups[bank].end.eq(k),
                    groups[bank].release.eq(beat.release),
                ]
            with m.Elif(end_group & (use == bank)):
                m.d.sync += full[bank].eq(0)
        with m.If(walk):
            m.d.sync += e.eq(Mux(end, 0, e + 1))
            with m.If(end):
                m.d.sync += token.eq(Mux(end_group, 0, token + 1))
            m.d.sync += use.eq(use ^ end_group)
        which = Signal.like(token)
        with m.If(move):
            m.d.sync += [
                which.eq(token),
                self.o.valid.eq(walk),
                self.o.payload.last.eq(end),
                self.o.payload.release.eq(end_group & now.release),
            ]
        vector = reader.data.word_select(which, spec.act_width * spec.lanes)
        used = self._used(m, walk, end, move) if self.shape.spec.zero_skip else None
        for lane in range(spec.lanes):
            act = vector.word_select(lane, spec.act_width).as_signed() + self.offset
            if used is not None:
                act = Mux(used[lane], act, 0)
            m.d.comb += self.o.payload["values"][lane].eq(act)
        return m

    def _used(self, m: Module, walk: Signal, end: Signal, move: Signal) -> Signal:
        """Return one flag per lane: it holds an activation of the beat that leaves."""
        lanes = self.spec.lanes
        left, valid = Signal.like(self.period), Signal.like(self.valid)
        later = Signal()
        used = Signal(lanes)
        left_here, valid_here = Signal.like(left), Signal.like(valid)
        m.d.comb += [
            left_here.eq(Mux(later, left, self.period)),
            valid_here.eq(Mux(later, valid, self.valid)),
        ]
        with m.If(walk):
            m.d.sync += [
                left.eq(left_here - lanes),
                valid.eq(Mux(valid_here > lanes, valid_here - lanes, 0)),
                later.eq(~end & (left_here != lanes)),
            ]
        with m.If(move):
            m.d.sync += used.eq(Cat(valid_here > lane for lane in range(lanes)))
        return used
