"""``python -m benchmarks.networks`` with its smallest network; the simulator is not run."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.networks import __main__ as networks
from benchmarks.networks import row, synthesised, torch_networks
from benchmarks.networks.store import CHECKED, Store
from benchmarks.networks.subject import Subject
from flows.boards import find
from flows.estimate.resources.machine_synthesis import SynthesisedMachine
from flows.machine.default import default_machine
from flows.machine.machine_file import MachineFile, write_machine
from flows.mapper import MappingError
from models.machine.spec import MachineSpec
from tests.support.specs import SMALL

torch = pytest.importorskip("torch", reason="networks are exported by torch (extra train)")

Capture = pytest.CaptureFixture[str]
MACHINE = replace(SMALL, axi_width=64, depth=512, bank_words=1024, part_sums=256)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of network files, for all tests."""
    return tmp_path_factory.mktemp("networks")


def run(monkeypatch: pytest.MonkeyPatch, files: Path, store: Path, *arguments: str) -> None:
    given = ["--files", str(files), "--store", str(store), "--networks", "lenet", *arguments]
    monkeypatch.setattr(sys, "argv", ["networks", *given])
    networks.main()


def test_lenet_on_two_boards(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """Every figure that needs no simulator; again from the store; as a table."""
    store = tmp_path / "found" / "networks.jsonl"
    run(monkeypatch, files, store, "--simulate", "0", "--json")
    found = json.loads(capsys.readouterr().out)["rows"]
    assert [(one["network"], one["board"]) for one in found] == [
        ("lenet", "arty-z7-20"),
        ("lenet", "zcu102"),
    ]
    for one in found:
        assert one["exact"]
        assert one["fits"]
        assert one["cycles"] is None
        assert one["onnxruntime"]["max_codes"] <= 1
        assert one["macs"] == 117_600 + 240_000 + 48_000 + 10_080 + 840
        assert one["cycles_ideal"] < one["cycles_estimate"]
        assert one["machine"]["default"]
    monkeypatch.setattr(networks, "checked", None)
    run(monkeypatch, files, store, "--simulate", "0")
    text = capsys.readouterr().out
    assert text.count("lenet") == 2
    assert "golden" in text


def test_wrong_codes_are_told(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """After the report, with a status that stops a pipeline."""

    def off_by_one(network: Any, codes: Any) -> tuple[Any, dict[str, Any]]:
        return np.full(10, 99), {}

    monkeypatch.setattr(row, "golden_run", off_by_one)
    with pytest.raises(SystemExit, match="integer graph's, not so of lenet on zcu102$"):
        run(monkeypatch, files, tmp_path / "store.jsonl", "--boards", "zcu102", "--simulate", "0",
            "--json")  # fmt: skip
    assert json.loads(capsys.readouterr().out)["rows"][0]["exact"] is False


def test_missing_packages_leave_a_network_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    (tmp_path / "store.jsonl").write_text('{"key": ["chec')
    run(monkeypatch, tmp_path, tmp_path / "store.jsonl", "--networks", "resnet18_64", "--json",
        "--boards", "zcu102")  # fmt: skip
    (one,) = json.loads(capsys.readouterr().out)["rows"]
    assert one["reason"] == "left out: torchvision must be installed"
    assert (one["fits"], one["exact"], one["cycles"]) == (False, None, None)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(torch_networks.Missing, match="^torch must be installed"):
        torch_networks.NETWORKS["lenet"].module()


def test_a_refused_network_has_its_reason(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(graph: object, spec: object) -> None:
        raise MappingError("depth must be larger")

    monkeypatch.setattr(row, "map_network", refuse)
    found = row.checked(Subject("lenet", files), find("zcu102"))
    assert (found["reason"], found["fits"], found["exact"]) == ("depth must be larger", False, None)


def test_a_workload_has_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    run(monkeypatch, tmp_path / "none", tmp_path / "store.jsonl", "--networks", "ds-cnn",
        "--boards", "arty-z7-20", "--simulate", "0", "--json")  # fmt: skip
    (one,) = json.loads(capsys.readouterr().out)["rows"]
    assert one["exact"]
    assert one["onnxruntime"] is None
    assert not (tmp_path / "none").exists()


def test_records_are_of_one_file(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.jsonl")
    store.keep(CHECKED, "lenet", "zcu102", "0123", {"macs": 1})
    again = Store(tmp_path / "store.jsonl")
    assert (again.find(CHECKED, "lenet", "zcu102", "0123") or {})["macs"] == 1
    assert again.find(CHECKED, "lenet", "zcu102", "4567") is None
    assert again.find(CHECKED, "lenet", "arty-z7-20", "0123") is None


def test_names_are_of_the_list() -> None:
    assert networks.names("") == ["ds-cnn", "resnet-8", *torch_networks.NETWORKS]
    assert networks.names("vgg11,lenet") == ["vgg11", "lenet"]
    with pytest.raises(argparse.ArgumentTypeError, match="^networks must be of ds-cnn, .*'x'"):
        networks.names("lenet,x")


def test_lenet_in_verilog(
    files: Path, tmp_path: Path, cache_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """A record of the simulator is added to a row that was there before, and kept as well."""
    store, file = tmp_path / "networks.jsonl", tmp_path / "small.toml"
    write_machine(file, MachineFile(board=find("arty-z7-20"), clock_mhz=100, spec=MACHINE))
    given = ("--machine", str(file), "--memory", "board")
    run(monkeypatch, files, store, *given, "--simulate", "0.4", "--json")
    (before,) = json.loads(capsys.readouterr().out)["rows"]
    assert before["cycles"] is None
    run(monkeypatch, files, store, *given, "--json")
    (after,) = json.loads(capsys.readouterr().out)["rows"]
    assert (after["codes_compared"], after["codes_wrong"]) == (10, 0)
    assert after["cycles_ideal"] < after["cycles"]
    assert abs(after["cycles_estimate"] - after["cycles"]) <= 0.03 * after["cycles"]
    assert after["memory"]["read_latency"] == 90
    assert after["layers"] >= after["layers_within_3_percent"] > 0
    assert after["worst_layer"]
    assert after["machine"]["macs_per_cycle"] == MACHINE.macs_per_cycle
    assert after | before == after | {"cycles": None}
    monkeypatch.setattr(networks, "simulated", None)
    run(monkeypatch, files, store, *given)
    assert "golden, Verilog" in capsys.readouterr().out


def test_yosys_is_run_when_asked_for(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """On the machine of the row, for the board's family."""
    asked = []

    def synthesise(spec: MachineSpec, family: str, **others: object) -> SynthesisedMachine:
        asked.append((spec, family))
        return SynthesisedMachine(lut=1, ff=2, dsp=3, bram36=4, parts=5, yosys="0.70")

    monkeypatch.setattr(synthesised, "synthesise_machine", synthesise)
    monkeypatch.setattr(synthesised, "PARTS", tmp_path / "parts")
    run(monkeypatch, files, tmp_path / "store.jsonl", "--boards", "zcu102", "--simulate", "0",
        "--synthesise", "--json")  # fmt: skip
    (one,) = json.loads(capsys.readouterr().out)["rows"]
    assert one["resources_yosys"]["dsp"] == 3
    assert asked == [(default_machine(find("zcu102")), "xcup")]
