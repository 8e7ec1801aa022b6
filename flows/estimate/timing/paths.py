"""The longest path to every register of a netlist."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from flows.estimate.timing.block_delays import block_cell
from flows.estimate.timing.cell_timing import CellTiming
from flows.estimate.timing.netlist import Cell, Design
from flows.estimate.timing.nets import NetModel, spread_net, wire_delay
from flows.estimate.timing.slice_delays import slice_cell

__all__ = ["Endpoint", "Paths", "cell_timing", "longest_paths"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An input pin before a register.

    Attributes
    ----------
    ps : from clock edge to clock edge, in picoseconds, set-up time included
    levels : most LUTs on any path to it
    cell : index of the cell
    port : of the cell
    bit : the net at the pin
    """

    ps: int
    levels: int
    cell: int
    port: str
    bit: int


@dataclass(frozen=True)
class Paths:
    """Arrival at every net, and all endpoints, the slowest first.

    Attributes
    ----------
    arrival : picoseconds after the clock edge by bit; bits that no register reaches are not there
    previous : bit before on the slowest path; not of bits where it begins
    """

    design: Design
    endpoints: tuple[Endpoint, ...]
    arrival: dict[int, int]
    previous: dict[int, int]

    def trace(self, bit: int) -> list[int]:
        """Bits of the slowest path to a bit, the register's output first."""
        found = [bit]
        while (bit := self.previous.get(bit, 0)) != 0:
            # Negative: a junction within a cell.
            if bit > 0:
                found.append(bit)
        return found[::-1]


def cell_timing(cell: Cell) -> CellTiming:
    """Delays of a cell.

    Raises
    ------
    ValueError
        If it is none of the 7 series' cells that machines are made of.
    """
    found = slice_cell(cell) or block_cell(cell)
    if found is None:
        raise ValueError(f"cell must be one of the 7 series with known delays, not {cell.kind}")
    return found


def longest_paths(design: Design, model: NetModel = spread_net) -> Paths:
    """Static timing from register to register; ports of the top are no registers.

    Raises
    ------
    ValueError
        If a cell is not known, or the netlist has a combinational loop.
    """
    graph = _Graph(design, model)
    arrival, previous, levels = graph.propagate()
    endpoints = [
        Endpoint(arrival[bit] + ps, levels[bit], cell, port, bit)
        for cell, port, bit, ps in graph.ends
        if bit in arrival
    ]
    endpoints.sort(key=lambda one: (-one.ps, one.cell, one.port, one.bit))
    return Paths(design, tuple(endpoints), arrival, previous)


class _Graph:
    """Nets as nodes, ways through cells as edges; junctions of buses have negative numbers."""

    def __init__(self, design: Design, model: NetModel) -> None:
        self.design, self.model = design, model
        self.after: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self.waiting: dict[int, int] = defaultdict(int)
        self.launch: dict[int, int] = {}
        self.luts: set[int] = set()
        self.ends: list[tuple[int, str, int, int]] = []
        self.junctions = 0
        for index, cell in enumerate(design.cells):
            self._add(index, cell)

    def _add(self, index: int, cell: Cell) -> None:
        timing = cell_timing(cell)
        arrivals = {port: list(self._arrivals(index, port)) for port in cell.inputs}
        for port, ps in timing.launch.items():
            self.launch |= {b: ps for b in cell.outputs.get(port, ()) if isinstance(b, int)}
        for port, ps in timing.capture.items():
            self.ends += [(index, port, bit, wire + ps) for _, bit, wire in arrivals.get(port, ())]
        by_pin = {(port, at): (b, w) for port, some in arrivals.items() for at, b, w in some}
        for source, at, target, to, ps in timing.arcs:
            if (source, at) in by_pin and isinstance(out := _bit(cell, target, to), int):
                bit, wire = by_pin[source, at]
                self._edge(bit, out, wire + ps)
        for source, target, ps in timing.buses:
            outs = [b for b in cell.outputs.get(target, ()) if isinstance(b, int)]
            if arrivals.get(source) and outs:
                self.junctions -= 1
                for _, bit, wire in arrivals[source]:
                    self._edge(bit, self.junctions, wire)
                for out in outs:
                    self._edge(self.junctions, out, ps)
        if cell.kind.startswith("LUT"):
            self.luts |= {b for b in cell.outputs["O"] if isinstance(b, int)}

    def _arrivals(self, index: int, port: str) -> Iterator[tuple[int, int, int]]:
        """Index, net and delay of the net, of the bits of an input port that cells drive."""
        design = self.design
        for at, bit in enumerate(design.cells[index].inputs[port]):
            if isinstance(bit, int) and bit in design.driver and bit not in design.clocks:
                yield at, bit, wire_delay(design, bit, index, port, self.model)

    def _edge(self, source: int, target: int, ps: int) -> None:
        self.after[source].append((target, ps))
        self.waiting[target] += 1

    def propagate(self) -> tuple[dict[int, int], dict[int, int], dict[int, int]]:
        """Latest arrivals, where they are from, and LUT levels, in topological order."""
        arrival = dict(self.launch)
        levels = dict.fromkeys(arrival, 0)
        previous: dict[int, int] = {}
        waiting = dict(self.waiting)
        ready = [b for b in {**self.after, **arrival} if not waiting.get(b)]
        while ready:
            bit = ready.pop()
            time, level = arrival.get(bit), levels.get(bit, 0)
            for target, ps in self.after.get(bit, ()):
                waiting[target] -= 1
                if not waiting[target]:
                    ready.append(target)
                if time is None:
                    continue
                levels[target] = max(levels.get(target, 0), level + (target in self.luts))
                if time + ps > arrival.get(target, -1):
                    arrival[target], previous[target] = time + ps, bit
        if any(waiting.values()):
            raise ValueError("netlist must have no combinational loop")
        return arrival, previous, levels


def _bit(cell: Cell, port: str, at: int) -> int | str | None:
    bits = cell.outputs.get(port, [])
    return bits[at] if at < len(bits) else None
