"""Cuts a run of beats into bursts that neither exceed 16 beats nor cross a 4 KB page."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from hdl.axi.signature import ADDRESS_WIDTH, BURST, BURST_BEATS

RUN = data.StructLayout({"address": ADDRESS_WIDTH, "beats": 25})
"""A contiguous run of bus beats: byte address (aligned to a beat), number of beats."""


class BurstSplitter(Component):
    """Stream of runs in, stream of bursts out. Throughput one burst per cycle, latency one cycle.

    Parameters
    ----------
    width : int
        Data bits.

    Attributes
    ----------
    last : out
        The burst on ``o`` is the last one of its run.
    """

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
        run = Signal(RUN)
        m.d.comb += self.i.ready.eq(run.beats == 0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += run.eq(self.i.payload)
        page_left = Signal(13 - lane)
        limit = Signal(5)
        m.d.comb += [
            page_left.eq((4096 >> lane) - run.address[lane:12]),
            limit.eq(Mux(page_left < BURST_BEATS, page_left, BURST_BEATS)),
            self.o.payload.length.eq(Mux(run.beats < limit, run.beats, limit)),
            self.o.payload.address.eq(run.address),
            self.o.valid.eq(run.beats != 0),
            self.last.eq(run.beats == self.o.payload.length),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [
                run.beats.eq(run.beats - self.o.payload.length),
                run.address.eq(run.address + (self.o.payload.length << lane)),
            ]
        return m
