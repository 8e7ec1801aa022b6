"""Parts of a machine: what they depend on; one of them synthesised."""

from __future__ import annotations

import importlib.util
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from amaranth.back import rtlil

from benchmarks.resource_points import part_id, read_points
from flows.errors import UserError
from flows.estimate.resources import machine_synthesis
from flows.estimate.resources.machine_synthesis import synthesise_machine
from flows.estimate.resources.parts import Part, machine_parts
from flows.estimate.resources.synthesis import Netlist, synthesise_part, yosys_version
from models.cost.memories import block_rams
from models.formats.row_classes import parse_row_classes
from models.machine.spec import MachineSpec

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable"),
]

SMALL = MachineSpec(lanes=4, tokens=2, rows=4, vector_lanes=2, depth=32, banks=2, bank_words=16,
                    param_entries=16, row_group=4).with_classes(
                        parse_row_classes("fixed4:2,binary:2"))  # fmt: skip


@pytest.mark.parametrize(
    "others",
    [
        {"banks": 4, "queue_depth": 8, "axi_width": 32},
        {"param_entries": 32, "bank_words": 32, "row_group": 8},
    ],
    ids=str,
)
def test_parts_of_one_key_are_one_netlist(others: dict[str, Any]) -> None:
    before = {part.name: part for part in machine_parts(SMALL, "xc7")}
    after = {part.name: part for part in machine_parts(replace(SMALL, **others), "xc7")}
    same = [name for name in before if before[name] == after[name]]
    assert 0 < len(same) < len(before)
    for name in same:
        texts = [rtlil.convert(parts[name].make(), emit_src=False) for parts in (before, after)]
        assert texts[0] == texts[1], name


def test_a_part_synthesised_now_is_the_stored_one() -> None:
    arbiter = next(
        p for p in machine_parts(MachineSpec(axi_width=32), "xc7") if p.name == "arbiter"
    )
    netlist = synthesise_part(arbiter, "xc7")
    stored = read_points()[part_id(arbiter, "xc7")]
    assert (stored["lut"], stored["ff"], stored["dsp"]) == (netlist.lut, netlist.ff, netlist.dsp)


def test_a_missing_yosys_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"^Yosys must be installed to synthesise: pip install "):
        yosys_version()


def _text(part: Part) -> str:
    return f"{part.name} {part.key}"


def test_a_machine_is_the_sum_of_its_parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Synthesised once each; what is in the cache is not synthesised again."""
    begun: list[str] = []

    def small(part: Part, family: str, text: str) -> Netlist:
        if len(begun) == 5 and not stopped:
            stopped.append(True)
            raise KeyboardInterrupt
        begun.append(part.name)
        return Netlist(Counter({"LUT6": len(text) % 97, "FDRE": 2, "DSP48E1": 1}), 0, 0)

    stopped: list[bool] = []
    monkeypatch.setattr(machine_synthesis, "synthesise_part", small)
    monkeypatch.setattr(machine_synthesis, "part_verilog", _text)
    with pytest.raises(KeyboardInterrupt):
        synthesise_machine(SMALL, "xc7", cache=tmp_path)
    steps: list[tuple[str, int, int]] = []
    found = synthesise_machine(
        SMALL, "xc7", cache=tmp_path, progress=lambda *step: steps.append(step)
    )
    parts = machine_parts(SMALL, "xc7")
    assert sorted(begun) == sorted(part.name for part in parts)
    assert steps == [(p.name, i, len(parts)) for i, p in enumerate(parts)] + [
        ("done", len(parts), len(parts))
    ]
    assert found.dsp == sum(part.count for part in parts) == found.ff // 2
    assert found.lut == sum(p.count * (len(_text(p)) % 97) for p in parts)
    assert found.bram36 == block_rams(SMALL)


def test_synthesis_for_other_families_is_refused() -> None:
    with pytest.raises(UserError, match=r"^family must be one of xc7, xcup, not 'ice40'$"):
        synthesise_machine(SMALL, "ice40")
