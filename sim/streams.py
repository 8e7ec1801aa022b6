"""cocotb driver and monitor of a ready/valid stream, as Amaranth names it.

The ports of a stream ``i`` are ``i__valid``, ``i__ready`` and ``i__payload``, or a port
``i__payload__FIELD`` for each field. Items are integers, or dictionaries of integers by field.

The rules of transfer that are checked:

1. an item is transferred in each cycle in which both ``valid`` and ``ready`` are high;
2. once ``valid`` is high it stays so until the transfer;
3. while ``valid`` waits for ``ready``, the payload does not change;
4. ``valid`` does not wait for ``ready``: under half of the seeds, a stalling monitor holds
   ``ready`` low until it sees ``valid``, so that such an item never comes.
"""

from collections import deque
from collections.abc import Iterable
from typing import Any

import cocotb
from cocotb.triggers import Event, RisingEdge

from sim.stalls import NEVER, Stalls

__all__ = ["Driver", "Item", "Monitor", "Ports", "ProtocolError"]

Item = int | dict[str, int]


class ProtocolError(AssertionError):
    """A design broke a rule of transfer; the text names stream, cycle, rule, got and want."""


class Ports:
    """The ports of the stream ``name`` of a design under test.

    Raises
    ------
    AttributeError
        if the design has no such stream.
    """

    def __init__(self, dut: Any, name: str) -> None:
        self.name = name
        self.valid = getattr(dut, f"{name}__valid")
        self.ready = getattr(dut, f"{name}__ready")
        whole, prefix = f"{name}__payload", f"{name}__payload__"
        self.payload: dict[str, Any] = {}
        if hasattr(dut, whole):
            self.payload[""] = getattr(dut, whole)
        else:
            for port in dut:
                if port._name.startswith(prefix):
                    self.payload[port._name.removeprefix(prefix)] = port
        if not self.payload:
            raise AttributeError(f"stream {name} must have a port {whole} or {prefix}FIELD")

    def put(self, item: Item) -> None:
        """Drive the payload ports."""
        fields = item if isinstance(item, dict) else {"": item}
        if fields.keys() != self.payload.keys():
            raise ValueError(
                f"item of {self.name} must have the fields {sorted(self.payload)}, "
                f"not {sorted(fields)}"
            )
        for field, value in fields.items():
            port = self.payload[field]
            port.value = value & ((1 << len(port)) - 1)

    def get(self) -> Item:
        """Read the payload ports, as unsigned integers."""
        fields = {field: int(port.value) for field, port in self.payload.items()}
        return fields[""] if "" in fields else fields


class Driver:
    """Puts items into an input stream of the design, as its producer.

    Parameters
    ----------
    clock
        the clock port; items change after its rising edges.
    stalls
        cycles in which the next item is not offered yet. An item once offered stays.
    """

    def __init__(self, dut: Any, name: str, clock: Any, stalls: Stalls = NEVER) -> None:
        self._ports = Ports(dut, name)
        self._clock = clock
        self._draws = stalls.draws(name)
        self._waiting: deque[Item] = deque()
        self._more, self._empty = Event(), Event()
        self._empty.set()
        self._ports.valid.value = 0
        cocotb.start_soon(self._run())

    def put(self, items: Iterable[Item]) -> None:
        """Queue items."""
        self._waiting.extend(items)
        if self._waiting:
            self._empty.clear()
            self._more.set()

    async def drained(self) -> None:
        """Wait until every queued item was transferred."""
        await self._empty.wait()

    async def _run(self) -> None:
        while True:
            if not self._waiting:
                self._empty.set()
                self._more.clear()
                await self._more.wait()
            while next(self._draws):
                await RisingEdge(self._clock)
            self._ports.put(self._waiting[0])
            self._ports.valid.value = 1
            await RisingEdge(self._clock)
            while not int(self._ports.ready.value):
                await RisingEdge(self._clock)
            self._waiting.popleft()
            self._ports.valid.value = 0


class Monitor:
    """Takes items from an output stream of the design, as its consumer, and checks the rules.

    Attributes
    ----------
    items
        everything transferred so far, in order.
    """

    def __init__(self, dut: Any, name: str, clock: Any, stalls: Stalls = NEVER) -> None:
        self._ports = Ports(dut, name)
        self._clock = clock
        self._draws = stalls.draws(name)
        self._patient = stalls != NEVER and stalls.coin(f"{name} follows valid")
        self.items: list[Item] = []
        self._taken = 0
        self._arrived = Event()
        self._ports.ready.value = 0
        self._task = cocotb.start_soon(self._run())

    async def take(self, count: int, *, max_cycles: int = 100_000) -> list[Item]:
        """The next ``count`` items, after those earlier calls have returned.

        Raises
        ------
        ProtocolError
            if a rule of transfer was broken.
        TimeoutError
            if the items did not come within ``max_cycles``.
        """
        for _ in range(max_cycles):
            if len(self.items) >= self._taken + count:
                break
            if self._task.done():
                self._task.result()
            await RisingEdge(self._clock)
        else:
            raise TimeoutError(
                f"{self._ports.name} must give {count} items within {max_cycles} cycles, "
                f"not {len(self.items) - self._taken}"
            )
        start = self._taken
        self._taken += count
        return self.items[start : self._taken]

    async def _run(self) -> None:
        cycle, held = 0, None
        ready = False
        while True:
            await RisingEdge(self._clock)
            valid = bool(int(self._ports.valid.value))
            item = self._ports.get() if valid else None
            if held is not None and item != held:
                got = "valid low" if item is None else item
                raise ProtocolError(
                    f"{self._ports.name}, cycle {cycle}: an item that waits for ready must stay "
                    f"{held}, not become {got}"
                )
            if valid and ready:
                assert item is not None
                self.items.append(item)
            held = item if valid and not ready else None
            ready = not next(self._draws) and (valid or not self._patient)
            self._ports.ready.value = int(ready)
            cycle += 1
