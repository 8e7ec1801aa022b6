"""Verilog of small designs: which memories have an initial value."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.emit import emit


class Table(wiring.Component):
    """Four words that can be read and written."""

    def __init__(self, init: Sequence[int]) -> None:
        self._init = init
        super().__init__({"address": In(2), "data": In(40), "write": In(1), "value": Out(40)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.words = words = Memory(shape=40, depth=4, init=self._init)
        read, write = words.read_port(), words.write_port()
        m.d.comb += [read.addr.eq(self.address), self.value.eq(read.data)]
        m.d.comb += [write.addr.eq(self.address), write.data.eq(self.data), write.en.eq(self.write)]
        return m


@pytest.mark.parametrize(
    ("init", "words"), [((), []), ((0, 0, 0, 0), []), ((0, 0, 7), [0, 0, 7, 0])]
)
def test_only_memories_that_are_not_all_zero_have_an_initial_value(
    init: Sequence[int], words: Sequence[int]
) -> None:
    text = emit(Table(init), "table")
    (name,) = re.findall(r"reg \[39:0\] (\S+) ?\[3:0\];", text)
    found = re.findall(rf"{re.escape(name)} ?\[\d\] = 40'h([0-9a-f]+);", text)
    assert [int(word, 16) for word in found] == words
