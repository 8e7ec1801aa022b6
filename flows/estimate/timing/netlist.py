"""A flattened netlist as Yosys's ``write_json`` has it: cells, who drives a bit, and its names."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Cell", "Design", "Pin", "read_netlist", "to_design"]

CLOCKS = frozenset({"C", "CLK", "WCLK", "CLKARDCLK", "CLKBWRCLK", "G"})
"""Ports that clocks arrive at; the clock is ideal, so that nothing is timed through them."""

Bit = int | str
"""A net's number, or a constant: ``0``, ``1``, ``x``."""


class Pin(NamedTuple):
    """One bit of a port of a cell."""

    cell: int
    port: str
    bit: int


@dataclass(frozen=True, slots=True)
class Cell:
    """A primitive.

    Attributes
    ----------
    kind : type, such as ``LUT6``
    inputs, outputs : bits by port, the lowest first
    parameters : as text; numbers are binary
    """

    name: str
    kind: str
    inputs: Mapping[str, list[Bit]]
    outputs: Mapping[str, list[Bit]]
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class Design:
    """A netlist.

    Attributes
    ----------
    driver : output pin by bit
    fanout : number of input pins by bit
    clocks : bits at clock pins
    names : a readable name by bit, without its index; one within a unit, if there is one
    """

    cells: tuple[Cell, ...]
    driver: Mapping[int, Pin]
    fanout: Mapping[int, int]
    clocks: frozenset[int]
    names: Mapping[int, str]


def read_netlist(file: Path, top: str) -> Design:
    """The module ``top`` of a file.

    Raises
    ------
    ValueError
        If the file has no such module.
    """
    modules = json.loads(file.read_text())["modules"]
    if top not in modules:
        raise ValueError(f"netlist must have a module {top!r}, not only {', '.join(modules)}")
    return to_design(modules[top])


def to_design(module: Mapping[str, Any]) -> Design:
    """A module of the JSON. Cells that start with ``$`` are notes of Yosys, no hardware."""
    cells = tuple(
        _cell(name, entry)
        for name, entry in module["cells"].items()
        if not entry["type"].startswith("$")
    )
    driver: dict[int, Pin] = {}
    fanout: Counter[int] = Counter()
    clocks: set[int] = set()
    for index, cell in enumerate(cells):
        for port, bits in cell.outputs.items():
            driver |= {b: Pin(index, port, at) for at, b in enumerate(bits) if isinstance(b, int)}
        for port, bits in cell.inputs.items():
            wired = [bit for bit in bits if isinstance(bit, int)]
            fanout.update(wired)
            if port in CLOCKS:
                clocks.update(wired)
    return Design(cells, driver, fanout, frozenset(clocks), _names(module["netnames"].items()))


def _cell(name: str, entry: Mapping[str, Any]) -> Cell:
    inputs, outputs = (
        {p: bits for p, bits in entry["connections"].items() if entry["port_directions"][p] == way}
        for way in ("input", "output")
    )
    parameters = {key: str(value) for key, value in entry.get("parameters", {}).items()}
    return Cell(name, entry["type"], inputs, outputs, parameters)


def _names(nets: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[int, str]:
    """Of several names of a bit the one a person gave it, within a unit, and short."""
    best: dict[int, tuple[tuple[bool, bool, bool, int, int, str], str]] = {}
    for name, net in nets:
        made = bool(net.get("hide_name")) or name.startswith("$") or ".$" in name
        rank = (made, "." not in name, "$" in name, name.count("."), len(name), name)
        for bit in net["bits"]:
            if isinstance(bit, int) and (bit not in best or rank < best[bit][0]):
                best[bit] = rank, name
    return {bit: name for bit, (_, name) in best.items()}
