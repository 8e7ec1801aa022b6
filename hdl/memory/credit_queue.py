"""Queue for a writer that has a place for whatever it writes: it never refuses."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out


class CreditQueue(Component):
    """Holds ``depth`` items; the writer counts the places, a credit for each.

    ``o.ready`` may come late in its cycle: it reaches the memory's enable and a flag. The count of
    items follows a cycle later.

    Latency two cycles, throughput one item per cycle.

    Parameters
    ----------
    layout : shape
        Of the payload.
    depth : a power of two

    Members
    -------
    i, o : streams of ``layout``; ``i`` has no ``ready``, the registers of ``o`` are its own
    """

    LATENCY = 2

    def __init__(self, layout: Any, depth: int) -> None:
        if depth < 2 or depth & (depth - 1):
            raise ValueError(f"depth must be a power of two from 2 on, not {depth}")
        self.layout = layout
        self.depth = depth
        super().__init__(
            {
                "i": In(stream.Signature(layout, always_ready=True)),
                "o": Out(stream.Signature(layout)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.storage = memory = Memory(shape=self.layout, depth=self.depth, init=[])
        writer, reader = memory.write_port(), memory.read_port()
        produce, consume = Signal(range(self.depth)), Signal(range(self.depth))
        # In memory, with the item that `took` says has left; `some`: one is there in truth.
        count = Signal(range(self.depth + 1))
        some, take, took = Signal(), Signal(), Signal()
        one, more = Signal(), Signal()
        m.d.comb += [
            writer.en.eq(self.i.valid),
            writer.addr.eq(produce),
            writer.data.eq(self.i.payload),
            take.eq(some & (~self.o.valid | self.o.ready)),
            reader.en.eq(take),
            reader.addr.eq(consume),
            self.o.payload.eq(reader.data),
            one.eq((count == 1) & ~took | (count == 2) & took),
            more.eq((count > 2) | (count == 2) & ~took),
        ]
        m.d.sync += [
            produce.eq(produce + self.i.valid),
            consume.eq(consume + take),
            took.eq(take),
            count.eq(count + self.i.valid - took),
            some.eq(self.i.valid | more | (one & ~take)),
        ]
        with m.If(take):
            m.d.sync += self.o.valid.eq(1)
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m
