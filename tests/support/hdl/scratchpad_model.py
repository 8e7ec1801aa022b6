"""The scratchpad's model for its bench: requests in, and what every port must show."""

from __future__ import annotations

import json
import random
from collections import deque
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from models.program.layout import SUM_BITS
from sim.stalls import Stalls

READERS, WRITERS = 2, 2
LATENCY = 2
"""Cycles from a granted read to its word."""


class Model:
    """Memory, and what every port must show in each cycle.

    A cycle is: requests are put, then after the clock edge's sampling of them grants are judged by
    priority; a read sees the words as they were before the writes of its own cycle.
    """

    def __init__(self, dut: Any, *, hot: bool) -> None:
        sizes = json.loads(Path(str(cocotb.plusargs["sizes"])).read_text())
        self.banks: int = sizes["banks"]
        self.bank_words: int = sizes["bank_words"]
        self.bytes = sizes["word_bytes"]
        self.total = self.banks * self.bank_words
        self.dut, self.hot = dut, hot
        self.words = np.zeros((self.total, self.bytes), dtype=np.uint8)
        self.reads: list[int | None] = [None] * READERS
        self.writes: list[tuple[int, int, int] | None] = [None] * WRITERS
        self.answers: list[deque[int | None]] = [deque([None] * LATENCY) for _ in range(READERS)]
        self.sent: deque[tuple[int, int]] = deque()  # put into the reader: address, number
        self.due: deque[tuple[int, int]] = deque()  # granted: word, number
        self.bad = False
        self.cycle = self.taken = 0
        self.busy = [0] * READERS

    def address(self) -> int:
        """Few banks and few words at a time, so that ports meet; all corners."""
        bank = random.choice([0, self.banks - 1]) if self.hot else random.randrange(self.banks)
        word = random.choice([0, 1, self.bank_words - 1]) if self.hot else None
        word = random.randrange(self.bank_words) if word is None else word
        return bank * self.bank_words + word

    def bank(self, address: int) -> int:
        """Which one an address means, beyond the end as well."""
        return address // self.bank_words % self.banks

    def word(self, address: int) -> int:
        return int.from_bytes(self.words[address % self.total], "little")

    def judge(self) -> None:
        """Compare all outputs of this cycle, then let its requests take effect."""
        dut, where = self.dut, f"cycle {self.cycle}"
        assert int(dut.out_of_bounds.value) == self.bad, f"{where}: out of bounds is wrong"
        self.bad = any(r is not None and r >= self.total for r in self.reads)
        self.bad |= any(w is not None and w[0] >= self.total for w in self.writes)
        taken: set[int] = set()
        for index, address in enumerate(self.reads):
            port = f"read{index}"
            due = self.answers[index].popleft()
            valid = int(getattr(dut, f"{port}__data_valid").value)
            assert valid == (due is not None), f"{where}, {port}: data valid is {valid}"
            if due is not None and due >= 0:
                got = int(getattr(dut, f"{port}__data").value)
                assert got == due, f"{where}, {port}: got {got:#x}, want {due:#x}"
            granted = address is not None and self.bank(address) not in taken
            ready = int(getattr(dut, f"{port}__ready").value)
            if address is not None:
                assert ready == granted, f"{where}, {port} at {address}: ready is {ready}"
                taken.add(self.bank(address))
            answer = None
            if granted and address is not None:
                # Beyond the end it is some word.
                answer = self.word(address) if address < self.total else -1
                self.reads[index] = None
                self.busy[index] += 1
            self.answers[index].append(answer)
        if int(dut.grant.value):
            address, number = self.sent.popleft()
            got = int(dut.grant_address.value)
            assert got == address, f"{where}, reader: asks for {got}, want {address}"
            assert self.bank(address) not in taken, f"{where}, reader: goes before its betters"
            self.due.append((self.word(address), number))
        taken = set()
        for index, write in enumerate(self.writes):
            if write is None:
                continue
            address, value, enable = write
            ready = int(getattr(dut, f"write{index}__ready").value)
            granted = self.bank(address) not in taken
            assert ready == granted, f"{where}, write{index} at {address}: ready is {ready}"
            taken.add(self.bank(address))
            if granted:
                self.writes[index] = None
                if address < self.total:
                    mask = np.array([enable >> b & 1 for b in range(self.bytes)], dtype=bool)
                    data = np.frombuffer(value.to_bytes(self.bytes, "little"), dtype=np.uint8)
                    self.words[address] = np.where(mask, data, self.words[address])

    def put(self) -> None:
        """Show the requests of the next cycle."""
        dut = self.dut
        for index, address in enumerate(self.reads):
            getattr(dut, f"read{index}__valid").value = int(address is not None)
            if address is not None:
                getattr(dut, f"read{index}__address").value = address
        for index, write in enumerate(self.writes):
            getattr(dut, f"write{index}__valid").value = int(write is not None)
            if write is not None:
                for name, value in zip(("address", "data", "enable"), write, strict=True):
                    getattr(dut, f"write{index}__{name}").value = value
                getattr(dut, f"write{index}__over").value = int(write[0] >= self.total)

    def new_write(self, address: int, *, whole: bool = False) -> tuple[int, int, int]:
        bits = [0, (1 << self.bytes) - 1, 1, 1 << self.bytes - 1, random.getrandbits(self.bytes)]
        enable = bits[1] if whole else random.choice(bits)
        return address, random.getrandbits(8 * self.bytes), enable

    async def fill(self) -> None:
        """Give every word a value, both write ports at work."""
        todo = list(range(self.total))
        random.shuffle(todo)
        while todo or any(self.writes):
            for index in range(WRITERS):
                if self.writes[index] is None and todo:
                    self.writes[index] = self.new_write(todo.pop(), whole=True)
            self.put()
            await self.tick()

    async def tick(self) -> None:
        await RisingEdge(self.dut.clk)
        self.cycle += 1
        self.judge()


class Reader:
    """Both ends of the reader's streams."""

    def __init__(self, model: Model, stalls: Stalls, todo: list[int]) -> None:
        self.model, self.todo = model, deque(enumerate(todo))
        self.asks, self.takes = stalls.draws("i"), stalls.draws("o")
        self.offered: tuple[int, int] | None = None
        self.ready = False

    def put(self) -> None:
        dut = self.model.dut
        if self.offered is None and self.todo and not next(self.asks):
            number, address = self.todo.popleft()
            self.offered = (address, number)
            self.model.sent.append((address, number))
            dut.i__payload.value = address | number << SUM_BITS
        dut.i__valid.value = int(self.offered is not None)
        self.ready = not next(self.takes)
        dut.o__ready.value = int(self.ready)

    def judge(self) -> None:
        model, dut = self.model, self.model.dut
        if self.offered is not None and int(dut.i__ready.value):
            self.offered = None
        if self.ready and int(dut.o__valid.value):
            where = f"cycle {model.cycle}, reader"
            assert model.due, f"{where}: gives what nobody asked for"
            word, number = model.due.popleft()
            got = int(dut.o__payload.value)
            got_word, got_number = got & ((1 << 8 * model.bytes) - 1), got >> 8 * model.bytes
            assert got_number == number, f"{where}: item {got_number}, want {number}"
            assert got_word == word, f"{where}, item {number}: {got_word:#x}, want {word:#x}"
            model.taken += 1
