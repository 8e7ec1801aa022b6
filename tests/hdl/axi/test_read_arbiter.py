"""The read arbiter between clients that ask at random and a memory that stalls at random."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import pytest

from hdl.axi.read_arbiter import ReadArbiter
from tests.support.hdl.amaranth_cycles import simulate

pytestmark = pytest.mark.slow

CLIENTS, WIDTH = 3, 64


class Bench:
    """Clients and memory, one cycle at a time, and the rules that hold in each.

    Attributes
    ----------
    asked : per client, beats that are due to it: the value of each, and whether it is an error
    got : bursts that the memory has seen: address and length
    """

    def __init__(self, seed: int, *, bursts: int, stall: float, halt_at: int | None) -> None:
        self.draws = random.Random(seed)
        self.left = [bursts] * CLIENTS
        self.stall, self.halt_at = stall, halt_at
        self.dut = ReadArbiter(WIDTH, clients=CLIENTS)
        self.offer: list[tuple[int, int] | None] = [None] * CLIENTS
        self.asked: list[deque[tuple[int, int]]] = [deque() for _ in range(CLIENTS)]
        self.sent: deque[tuple[int, int]] = deque()  # granted, not yet seen by the memory
        self.memory: deque[tuple[int, int, int]] = deque()  # data, response, last
        self.delivered = self.cycle = 0

    async def run(self, ctx: Any) -> None:
        dut, held, answer = self.dut, None, None
        for self.cycle in range(40_000):
            where = f"cycle {self.cycle}"
            for index, client in enumerate(dut.client):
                if self.offer[index] is None and self.left[index] and self.happens():
                    address = self.draws.randrange(1 << 20) * 128
                    self.offer[index] = (address, self.draws.choice([1, 2, 15, 16]))
                    self.left[index] -= 1
                ctx.set(client.burst.valid, self.offer[index] is not None)
                if offered := self.offer[index]:
                    payload = {"address": offered[0], "length": offered[1]}
                    ctx.set(client.burst.payload, payload)
            halted = self.halt_at is not None and self.cycle >= self.halt_at
            ctx.set(dut.halt, halted)
            ctx.set(dut.axi.arready, self.happens())
            if answer is None and self.memory and self.happens():
                answer = self.memory.popleft()
            ctx.set(dut.axi.rvalid, answer is not None)
            if answer:
                ctx.set(dut.axi.rdata, answer[0])
                ctx.set(dut.axi.rresp, answer[1])
                ctx.set(dut.axi.rlast, answer[2])

            idle = not self.sent and not any(self.asked)
            self.beats(ctx, answer, where)
            assert ctx.get(dut.axi.rready), f"{where}: the arbiter takes every beat at once"
            answer = None
            held = self.request(ctx, held, where)
            assert ctx.get(dut.idle) == idle, f"{where}: idle is {ctx.get(dut.idle)}"
            self.grants(ctx, halted, where)
            if idle and (halted or not any(self.left) and not any(self.offer)):
                return
            await ctx.tick()
        raise AssertionError("the bursts must come to an end")

    def happens(self) -> bool:
        """By chance."""
        return self.draws.random() >= self.stall

    def beats(self, ctx: Any, answer: tuple[int, int, int] | None, where: str) -> None:
        """A beat of the memory reaches the one client that it is due to, in the same cycle."""
        valid = [ctx.get(c.valid) for c in self.dut.client]
        if answer is None:
            assert not any(valid), f"{where}: a beat from nowhere for {valid}"
            return
        assert sum(valid) == 1, f"{where}: a beat for {valid}"
        owner = valid.index(1)
        client = self.dut.client[owner]
        got = (ctx.get(client.data), ctx.get(client.error))
        assert self.asked[owner], f"{where}: client {owner} gets {got}, but asked for nothing"
        want = self.asked[owner].popleft()
        assert got == want, f"{where}: client {owner} gets {got}, want {want}"
        self.delivered += 1

    def request(self, ctx: Any, held: Any, where: str) -> Any:
        """The read address channel: what was granted, in that order, and steady."""
        axi = self.dut.axi
        if not ctx.get(axi.arvalid):
            assert held is None, f"{where}: arvalid went away"
            return None
        now = (ctx.get(axi.araddr), ctx.get(axi.arlen) + 1)
        assert held is None or now == held, f"{where}: address {now}, before {held}"
        assert now == self.sent[0], f"{where}: address {now}, granted {self.sent[0]}"
        assert (ctx.get(axi.arsize), ctx.get(axi.arburst)) == (3, 1)
        if not ctx.get(axi.arready):
            return now
        self.sent.popleft()
        address, length = now
        for beat in range(length):
            value, error = self.beat(address, beat)
            self.memory.append((value, 2 + (address >> 7) % 2 if error else 0, beat == length - 1))
        return None

    @staticmethod
    def beat(address: int, beat: int) -> tuple[int, int]:
        """What the memory holds, and whether it is an error (one in 16)."""
        value = (address * 0x9E3779B97F4A7C15 + beat) & ((1 << WIDTH) - 1)
        return value, int(value >> 20 & 15 == 0)

    def grants(self, ctx: Any, halted: bool, where: str) -> None:
        """At most one client, the first of those that ask; none after a halt."""
        ready = [ctx.get(c.burst.valid) & ctx.get(c.burst.ready) for c in self.dut.client]
        assert sum(ready) <= 1, f"{where}: grants {ready}"
        if not any(ready):
            return
        assert not halted, f"{where}: granted after a halt"
        owner = ready.index(1)
        first = next(i for i, offer in enumerate(self.offer) if offer)
        assert owner == first, f"{where}: granted {owner}, before it comes {first}"
        offer = self.offer[owner]
        assert offer is not None
        self.sent.append(offer)
        self.asked[owner] += [self.beat(offer[0], beat) for beat in range(offer[1])]
        self.offer[owner] = None


@pytest.mark.parametrize(("seed", "stall"), [(1, 0.0), (2, 0.3), (3, 0.8)])
def test_every_beat_reaches_its_client(seed: int, stall: float) -> None:
    bench = Bench(seed, bursts=60, stall=stall, halt_at=None)
    simulate(bench.dut, bench.run)
    assert bench.delivered > CLIENTS * 60 * 4
    assert not any(bench.left)


@pytest.mark.parametrize("halt_at", [0, 1, 7, 40, 41, 42, 43])
def test_halt_ends_with_what_is_under_way(halt_at: int) -> None:
    """No burst is granted any more; those under way are taken in; then the arbiter is idle."""
    bench = Bench(halt_at, bursts=60, stall=0.4, halt_at=halt_at)
    simulate(bench.dut, bench.run)
    assert any(bench.left)
    assert not any(bench.asked)


def test_full_speed() -> None:
    """Without stalls a beat passes in each cycle, but for the latency of the first one."""
    bench = Bench(5, bursts=60, stall=0.0, halt_at=None)
    simulate(bench.dut, bench.run)
    assert bench.delivered <= bench.cycle <= bench.delivered + 4
