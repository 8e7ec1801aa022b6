"""Largest codes of a window, whole words at a time: what max pooling reads, before it is issued."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from hdl.vector.operand_fetch import word_meta
from models.machine.spec import MachineSpec


class WordMax(Component):
    """Folds the words of a window into the word of their largest codes.

    The lanes take a word's codes in several beats; a window's words are read once for all of them.

    Throughput one word per cycle; a window's largest codes leave two cycles after its last word
    has come. Another operator's words pass through, in the cycle in which they come.

    Attributes
    ----------
    on, wide : in
        The words are of windows; of 16-bit codes. Constant over a descriptor.
    i, o : streams of words
        ``i`` with the marks of its window's first and last word.
    """

    def __init__(self, spec: MachineSpec) -> None:
        self.spec = spec
        word = data.StructLayout({"word": 8 * spec.word_bytes, "meta": word_meta(spec)})
        super().__init__(
            {
                "on": In(1),
                "wide": In(1),
                "i": In(stream.Signature(word)),
                "o": Out(stream.Signature(word)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        came = Signal(self.i.payload.shape(), reset_less=True)
        have, complete, moves = Signal(), Signal(), Signal()
        largest = Signal(8 * self.spec.word_bytes, reset_less=True)
        result = Signal.like(largest)
        m.d.comb += [
            moves.eq(have & (~came.meta.last | ~complete | self.o.ready)),
            self.i.ready.eq(Mux(self.on, ~have | moves, self.o.ready)),
            self.o.valid.eq(Mux(self.on, complete, self.i.valid)),
            self.o.payload.word.eq(Mux(self.on, result, self.i.payload.word)),
            self.o.payload.meta.eq(self.i.payload.meta),
        ]
        with m.If(self.on & self.i.valid & self.i.ready):
            m.d.sync += [came.eq(self.i.payload), have.eq(1)]
        with m.Elif(moves):
            m.d.sync += have.eq(0)
        with m.If(self.on & self.o.ready):
            m.d.sync += complete.eq(0)
        larger = self._larger(m, came.word, largest, came.meta.first)
        with m.If(moves):
            m.d.sync += largest.eq(larger)
            with m.If(came.meta.last):
                m.d.sync += [result.eq(larger), complete.eq(1)]
        return m

    def _larger(self, m: Module, word: Any, other: Signal, first: Value) -> Value:
        """Return the larger codes of two words; of the first word its own."""
        codes: list[Value] = []
        for at in range(0, len(other), 16):
            low = (word[at : at + 8], other[at : at + 8])
            high = (word[at + 8 : at + 16], other[at + 8 : at + 16])
            # The lower byte of a wide code has no sign.
            flip = (self.wide << 7)[:8]
            above_low = (low[0] ^ flip).as_signed() > (low[1] ^ flip).as_signed()
            above_high = high[0].as_signed() > high[1].as_signed()
            both = above_high | ((high[0] == high[1]) & above_low)
            take_low, take_high = Signal(name=f"take{at}"), Signal(name=f"take{at + 8}")
            m.d.comb += [
                take_low.eq(first | Mux(self.wide, both, above_low)),
                take_high.eq(first | Mux(self.wide, both, above_high)),
            ]
            codes += [Mux(take_low, *low), Mux(take_high, *high)]
        return Cat(codes)
