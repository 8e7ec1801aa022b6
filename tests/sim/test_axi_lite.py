from pathlib import Path

import pytest

from sim.runner import Design, Simulator, build
from tests.support.sim.toy import toy_rowmac

BENCH = "tests.support.sim.bench_axi_lite"


@pytest.fixture
def registers(simulators: Path) -> Simulator:
    # The machine is never the top module elsewhere; there, C++ minds the name of its interrupt.
    options = ("-Wno-SYMRSVDWORD",)
    return build(
        Design(top="rowmac", generated={"rowmac": toy_rowmac()}, options=options), simulators
    )


@pytest.mark.parametrize("seed", range(1, 5))
def test_registers_keep_their_values(registers: Simulator, tmp_path: Path, seed: int) -> None:
    registers.run(BENCH, tmp_path, tests=["registers_keep_their_values"], seed=seed)


def test_no_answer(registers: Simulator, tmp_path: Path) -> None:
    registers.run(BENCH, tmp_path, tests=["no_answer"])
