"""Netlists of a few cells, in the JSON that Yosys writes."""

from __future__ import annotations

from typing import Any

OUTPUTS = {"O", "CO", "Q", "Q31", "P", "PCOUT", "DOADO", "DOBDO", "DOA", "DOB", "DOD", "SPO", "DPO"}


class Netlist:
    """Nets are known by the names they are given: ``"a"``, or ``["a0", "a1"]`` for a bus."""

    def __init__(self) -> None:
        self.bits: dict[str, int] = {}
        self.cells: dict[str, Any] = {}

    def add(self, kind: str, name: str, parameters: Any = None, **ports: Any) -> Netlist:
        """A cell; constants are ``"0"`` and ``"1"``. Numbers of parameters become binary."""
        wires = {k: [v] if isinstance(v, str) else v for k, v in ports.items()}
        self.cells[name] = {
            "type": kind,
            "parameters": {
                k: f"{v:032b}" if isinstance(v, int) else v for k, v in (parameters or {}).items()
            },
            "port_directions": {p: "output" if p in OUTPUTS else "input" for p in wires},
            "connections": {p: [self._bit(net) for net in nets] for p, nets in wires.items()},
        }
        return self

    def register(self, name: str, d: str = "0", **others: str) -> Netlist:
        """A flip-flop whose output net has its name."""
        return self.add("FDRE", f"$ff${name}", C="clk", D=d, Q=name, **others)

    def _bit(self, net: str) -> int | str:
        return net if net in ("0", "1", "x") else self.bits.setdefault(net, len(self.bits) + 2)

    @property
    def module(self) -> dict[str, Any]:
        """As :func:`flows.estimate.timing.netlist.to_design` takes it."""
        nets = {name: {"hide_name": 0, "bits": [bit]} for name, bit in self.bits.items()}
        return {"cells": self.cells, "netnames": nets}
