"""The example of docs/guides/simulation.md is this test and its bench, and it runs."""

from pathlib import Path

from hdl.axi.burst import BurstSplitter
from hdl.emit import emit
from sim.runner import Design, build
from tests.support.pages import ROOT, blocks

PAGE = ROOT / "docs" / "guides" / "simulation.md"
BENCH = ROOT / "tests" / "support" / "hdl" / "bench_burst.py"


def test_burst_splitter(simulators: Path, tmp_path: Path) -> None:
    text = emit(BurstSplitter(64), "burst_splitter")
    design = Design(top="burst_splitter", generated={"burst_splitter": text})
    simulator = build(design, simulators)
    simulator.run("tests.support.hdl.bench_burst", tmp_path, tests=["bursts_of_a_run"], seed=7)


def test_the_page_shows_what_runs() -> None:
    files = [Path(__file__).read_text(), BENCH.read_text()]
    shown = [block.text for block in blocks(PAGE) if block.language == "python"]
    assert [text for text in shown if not any(text.strip() in file for file in files)] == []
    assert sum("def test_burst_splitter" in text for text in shown) == 1
    assert sum("async def bursts_of_a_run" in text for text in shown) == 1
