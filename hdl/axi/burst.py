"""Cuts a run of beats into bursts that neither exceed 16 beats nor cross a 4 KB page."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from hdl.axi.signature import ADDRESS_WIDTH, BURST, BURST_BEATS
from models.cost.pipelines import SPLIT_LATENCY

STEP = (BURST_BEATS - 1).bit_length()

RUN = data.StructLayout({"address": ADDRESS_WIDTH, "beats": 25})
"""A contiguous run of bus beats: byte address (aligned to a beat), number of beats."""


class BurstSplitter(Component):
    """Stream of runs in, stream of bursts out, both registered.

    Throughput one burst per two cycles, latency two cycles. A run must have at least one beat.

    Parameters
    ----------
    width : int
        Data bits.

    Attributes
    ----------
    last : out
        The burst on ``o`` is the last one of its run.
    """

    LATENCY = PERIOD = SPLIT_LATENCY

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__(
            {
                "i": In(stream.Signature(RUN)),
                "o": Out(stream.Signature(BURST)),
                "last": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lane = (self.width // 8).bit_length() - 1
        run = Signal(RUN, reset_less=True)
        length = Signal(5, reset_less=True)
        last = Signal(reset_less=True)
        busy, known = Signal(), Signal()
        beats = run.beats[: STEP + 1]
        limit = Signal(5)
        page_ends, few = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(~busy),
            # A page has room for a multiple of the longest burst: the rest of the address says
            # how many beats come before the next multiple, and whether that is a page.
            page_ends.eq(run.address[lane + STEP : 12].all()),
            limit.eq(BURST_BEATS - Mux(page_ends, run.address[lane : lane + STEP], 0)),
            few.eq(run.beats[STEP + 1 :] == 0),
            self.o.payload.length.eq(length),
            self.o.payload.address.eq(run.address),
            self.o.valid.eq(known),
            self.last.eq(last),
        ]
        with m.If(~busy):
            m.d.sync += run.eq(self.i.payload)
        with m.If(self.i.valid & ~busy):
            m.d.sync += busy.eq(1)
        # The length first, what is left in the next cycle: in one, they would be a loop of three
        # carry chains.
        with m.If(~known):
            m.d.sync += [
                known.eq(busy),
                length.eq(Mux(few & (beats < limit), beats, limit)),
                last.eq(few & (beats <= limit)),
            ]
        with m.Elif(self.o.ready):
            m.d.sync += [
                known.eq(0),
                busy.eq(~last),
                run.beats.eq(run.beats - length),
                run.address.eq(run.address + (length << lane)),
            ]
        return m
