"""A register slice: ends combinational paths between two streams, in both directions."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out


class RegisterSlice(Component):
    """Two-entry queue whose ``o.valid``, ``o.payload`` and ``i.ready`` are registers.

    Latency one cycle, throughput one item per cycle.

    Parameters
    ----------
    layout : shape
        Of the payload.

    Members
    -------
    i, o : streams of ``layout``
    """

    LATENCY = 1

    def __init__(self, layout: Any) -> None:
        self.layout = layout
        super().__init__({"i": In(stream.Signature(layout)), "o": Out(stream.Signature(layout))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Payloads are only looked at when they are valid, so that a reset need not reach them.
        first = Signal(self.layout, reset_less=True)
        second = Signal(self.layout, reset_less=True)
        valid, free = Signal(), Signal(init=1)
        move = Signal()
        m.d.comb += [
            move.eq(~valid | self.o.ready),
            self.o.valid.eq(valid),
            self.o.payload.eq(first),
            self.i.ready.eq(free),
        ]
        with m.If(free):
            m.d.sync += second.eq(self.i.payload)
        with m.If(move):
            m.d.sync += [
                first.eq(Mux(free, self.i.payload, second)),
                valid.eq(self.i.valid | ~free),
                free.eq(1),
            ]
        with m.Elif(self.i.valid):
            m.d.sync += free.eq(0)
        return m
