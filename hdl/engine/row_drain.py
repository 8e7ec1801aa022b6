"""Output path of the grid: finished sums are held in registers and leave beat by beat."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from hdl.rows.lut import lut
from models.cost.pipelines import RADIX, drain_latency


class RowDrain(Component):
    """Captures all sums at once and sends them in ``beats`` beats.

    A pipelined multiplexer tree reads the held sums in place; a shift register would cost a LUT
    for every bit. One LUT level between registers.

    Latency from ``load`` to the first beat: one cycle plus one for each level of four-to-one
    multiplexers over ``beats`` (those of ``short`` included). Throughput one beat per cycle; one
    load per ``beats + 1`` cycles, after a short load as soon as its beats have left.

    Parameters
    ----------
    bits : bits of a sum
    width : sums per beat
    beats : beats of a full load
    short : indices of the sums that a short load sends, a multiple of ``width``
    family : primitives

    Members
    -------
    sums : in
        ``beats * width`` sums, in the order of the output.
    load : in
        Capture ``sums``; allowed only as said under ``busy``.
    short : in
        With ``load``: send only the sums that the parameter ``short`` lists.
    busy, final : out
        Registered flags: beats are left; exactly one is left. If nothing is loaded in this cycle, a
        load is allowed in the next one unless ``busy & ~(final & o.ready)``. (An empty output
        stage would let the last beat advance as well; testing this would need a seventh LUT input.)
    o : stream
        ``width`` sums per beat.
    """

    def __init__(
        self,
        *,
        bits: int,
        width: int,
        beats: int,
        short: Sequence[int] = (),
        family: str = "generic",
    ) -> None:
        if len(short) % width:
            raise ValueError(f"short must be a multiple of {width} numbers, not {len(short)}")
        self.bits, self.width, self.beats, self.family = bits, width, beats, family
        self.places = [*range(beats * width), *short]
        self.latency = drain_latency(len(self.places), width)
        super().__init__(
            {
                "sums": In(data.ArrayLayout(signed(bits), width * beats)),
                "load": In(1),
                "short": In(1),
                "busy": Out(1),
                "final": Out(1),
                "o": Out(stream.Signature(data.ArrayLayout(signed(bits), width))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        busy, final, advance = self.busy, self.final, Signal()
        every = len(self.places) // self.width
        # The entries of a short load follow those of a full one.
        index, brief = Signal(range(max(2, every))), Signal()
        held = Signal.like(self.sums, name="held")
        with m.If(self.load):
            m.d.sync += [held.eq(self.sums), brief.eq(self.short)]
            m.d.sync += index.eq(Mux(self.short, self.beats, 0))
            m.d.sync += final.eq(Mux(self.short, every - self.beats == 1, self.beats == 1))
        with m.Elif(advance):
            m.d.sync += index.eq(index + 1)
            m.d.sync += final.eq(Mux(brief, index == every - 2, index == self.beats - 2))
        beat = self.bits * self.width
        entries = [
            Cat(held[place] for place in self.places[at : at + self.width])
            for at in range(0, len(self.places), self.width)
        ]
        valid, place = busy, index
        while len(entries) > 1:
            chosen = []
            for start in range(0, len(entries), RADIX):
                some = entries[start : start + RADIX]
                # Inputs past the end are never selected: repeat the last one, without decoding.
                some += [some[-1]] * (RADIX - len(some))
                register = Signal(beat, name=f"chosen{len(entries)}_{start}")
                with m.If(advance):
                    m.d.sync += register.eq(Array(some)[place[:2]])
                chosen.append(register)
            following, later = Signal(), Signal(max(1, len(place) - 2))
            with m.If(advance):
                m.d.sync += [following.eq(valid), later.eq(place[2:])]
            entries, valid, place = chosen, following, later
        m.d.sync += busy.eq(
            lut(
                m,
                self.family,
                lambda load, busy, final, valid, ready: (
                    load or (busy and not (final and (ready or not valid)))
                ),
                (self.load, busy, final, valid, self.o.ready),
            )
        )
        m.d.comb += [
            advance.eq(~valid | self.o.ready),
            self.o.valid.eq(valid),
            self.o.payload.as_value().eq(entries[0]),
        ]
        return m
