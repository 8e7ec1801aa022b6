"""The floor of a machine, its slowest paths, and the same for each of its units."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from flows.estimate.timing.netlist import Design
from flows.estimate.timing.paths import Endpoint, Paths

__all__ = ["LIMITS_NS", "floor_text", "report", "unit_of"]

LIMITS_NS = (10, 7, 5)
"""Endpoints slower than these are counted: 100, 143 and 200 MHz."""
WORST = 12
OF_A_BEGIN = 3
_OUTPUTS = ("Q", "DOADO", "DOBDO", "DOA", "DOB", "DOC", "DOD", "DPO", "SPO", "O", "P", "PCOUT")


def report(paths: Paths, worst: int = WORST) -> dict[str, Any]:
    """Figures as JSON can hold them; all are of ideal placement, none is an achieved clock.

    ``floor_ns``, ``floor_mhz``: the slowest path; ``endpoints``: pins before registers; ``over``:
    how many of them are slower, by nanoseconds; ``levels``: most LUTs between registers; ``worst``:
    the slowest path of each pair of begin and end that differ by more than numbers, up to three
    of a begin; ``units``: the same but for ``worst``, by the unit that the path ends in.

    Raises
    ------
    ValueError
        If no path goes from a register to a register.
    """
    if not paths.endpoints:
        raise ValueError("netlist must have a path from a register to a register")
    units: dict[str, list[Endpoint]] = defaultdict(list)
    for one in paths.endpoints:
        units[unit_of(_end(paths.design, one))].append(one)
    slowest = sorted(units, key=lambda name: (-units[name][0].ps, name))
    return {
        **_figures(paths.endpoints),
        "worst": _worst(paths, worst),
        "units": {name: _figures(units[name]) for name in slowest},
    }


def floor_text(floor_ns: float, clock_mhz: float) -> str:
    """The floor beside a clock, in words."""
    floor = f"static floor {floor_ns:.2f} ns = {1000 / floor_ns:.0f} MHz"
    if floor_ns * clock_mhz > 1000:
        return f"{floor}: the clock of {clock_mhz:g} MHz is NOT met even with ideal placement"
    return f"{floor} with ideal placement: the clock of {clock_mhz:g} MHz may be met"


def unit_of(name: str) -> str:
    """The first part of a register's hierarchical name; ``top`` if only the top names it.

    That is so of some outputs of units, whose own names Yosys drops for those of the wires between.
    """
    first, dot, _ = name.partition(".")
    return first if dot and not first.startswith("$") else "top"


def _figures(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    slowest = endpoints[0].ps
    return {
        "floor_ns": slowest / 1000,
        "floor_mhz": round(1e6 / slowest, 2),
        "endpoints": len(endpoints),
        "over": {str(ns): sum(e.ps > 1000 * ns for e in endpoints) for ns in LIMITS_NS},
        "levels": max(e.levels for e in endpoints),
    }


def _worst(paths: Paths, count: int) -> list[dict[str, Any]]:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    begins: Counter[str] = Counter()
    for one in paths.endpoints:
        if len(found) == count:
            break
        cell = paths.design.cells[one.cell]
        begin, end = _start(paths, one), _end(paths.design, one)
        unit = unit_of(end)
        # A register takes over what is at D; other pins are told apart by their names.
        if not (one.port == "D" and cell.kind.startswith("FD")):
            end = f"{end}.{one.port}"
        pair = _without_numbers(begin), _without_numbers(end)
        # A reset that reaches every register would fill the list.
        if pair not in found and begins[pair[0]] < OF_A_BEGIN:
            begins[pair[0]] += 1
            found[pair] = {"ns": one.ps / 1000, "from": begin, "to": end, "unit": unit}
    return list(found.values())


def _without_numbers(name: str) -> str:
    return re.sub(r"\d+", "#", name)


def _start(paths: Paths, end: Endpoint) -> str:
    bit = paths.trace(end.bit)[0]
    return _register(paths.design, paths.design.driver[bit].cell, bit)


def _end(design: Design, end: Endpoint) -> str:
    outputs = design.cells[end.cell].outputs
    bits = (b for port in _OUTPUTS for b in outputs.get(port, ()) if isinstance(b, int))
    return _register(design, end.cell, next(bits, 0))


def _register(design: Design, index: int, bit: int) -> str:
    """A memory's own name; of other cells the name of an output, for tools number those."""
    cell = design.cells[index]
    if "$" not in cell.name:
        return cell.name
    return design.names.get(bit, cell.name)
