"""The control registers against a model, by an AXI4-Lite master that stalls at random."""

from __future__ import annotations

from pathlib import Path

import pytest
from amaranth.hdl import Module
from amaranth.lib.wiring import Component, In, connect, flipped

from hdl.control.registers import ControlRegisters
from hdl.emit import emit
from models.cim.choice import MacroChoice
from models.machine.spec import MachineSpec
from sim.runner import Design, build
from tests.support.specs import SMALL

BENCH = "tests.support.hdl.bench_registers"


class Registers(Component):
    """The registers; Verilator takes no port called ``interrupt``, a word of C++ libraries."""

    RENAMED = {"interrupt": "o_interrupt"}

    def __init__(self, spec: MachineSpec) -> None:
        self.inner = ControlRegisters(spec)
        members = self.inner.signature.members
        super().__init__({self.RENAMED.get(n, n): member for n, member in members.items()})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.inner = self.inner
        for name, member in self.inner.signature.members.items():
            inner, outer = getattr(self.inner, name), getattr(self, self.RENAMED.get(name, name))
            if member.is_signature:
                connect(m, inner, flipped(outer))
            else:
                m.d.comb += inner.eq(outer) if member.flow == In else outer.eq(inner)
        return m


AROUND_A_MACRO = MachineSpec(
    lanes=4, tokens=1, rows=4, vector_lanes=2, depth=64,
    macro=MacroChoice(preset="pim-qat:native", columns=8, slices=2),
)  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("spec", [SMALL, AROUND_A_MACRO], ids=["digital", "macro"])
def test_registers(simulators: Path, tmp_path: Path, spec: MachineSpec, seed: int) -> None:
    """Every scenario of the bench, in one simulator."""
    text = emit(Registers(spec), "registers")
    simulator = build(Design(top="registers", generated={"registers": text}), simulators)
    plusargs = {
        "stalls": str(seed),
        "fingerprint": str(spec.fingerprint),
        "macro": str(spec.macro is not None),
    }
    outcomes = simulator.run(BENCH, tmp_path, seed=seed, plusargs=plusargs)
    assert len(outcomes) == 10
