from pathlib import Path

import pytest

from hdl.emit import emit
from hdl.top.bridge import AxiToLite
from sim.runner import Design, Simulator, build

BENCH = "tests.support.hdl.bench_bridge"


def bridge(simulators: Path, width: int) -> Simulator:
    text = emit(AxiToLite(data_width=width, id_width=2), "bridge")
    return build(Design(top="bridge", generated={"bridge": text}), simulators)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("width", [32, 64, 128])
def test_random_bursts(simulators: Path, tmp_path: Path, width: int, seed: int) -> None:
    bridge(simulators, width).run(BENCH, tmp_path, tests=["random_bursts"], seed=seed)


@pytest.mark.parametrize(
    "test", ["identifiers_come_back", "errors_come_back", "an_error_of_a_burst_comes_back"]
)
def test_answers(simulators: Path, tmp_path: Path, test: str) -> None:
    bridge(simulators, 32).run(BENCH, tmp_path, tests=[test])


def test_width_out_of_range() -> None:
    with pytest.raises(ValueError, match="data_width must be 32, 64 or 128, not 256"):
        AxiToLite(data_width=256, id_width=1)
