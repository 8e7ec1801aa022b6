from pathlib import Path

import pytest

from sim.runner import VERILOG, Design, Simulator, build

BENCH = "tests.support.sim.bench_axi_ram"


def memory(simulators: Path, width: int) -> Simulator:
    sources = (VERILOG / "axi_ram.v", Path(__file__).parent / "ram_bench.v")
    design = Design(top="ram_bench", sources=sources, parameters={"WIDTH": width})
    return build(design, simulators)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
@pytest.mark.parametrize("width", [32, 128])
def test_keeps_what_is_written(simulators: Path, tmp_path: Path, width: int, seed: int) -> None:
    memory(simulators, width).run(BENCH, tmp_path, tests=["keeps_what_is_written"], seed=seed)


def test_narrow_beats_are_a_violation(simulators: Path, tmp_path: Path) -> None:
    memory(simulators, 32).run(BENCH, tmp_path, tests=["narrow_beats_are_a_violation"])
