"""Programs with a field changed at random: RTL and golden machine refuse the same, and agree."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from flows.run.execute import image_run
from models.machine.spec import MachineSpec
from models.program.registers import STATUS_ERROR, Register
from sim.system import Finished
from tests.support.machines import simulator
from tests.support.mutated_programs import mutated_programs
from tests.support.specs import MIXED, ODD, SMALL


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(SMALL, id="small"),
        pytest.param(ODD, id="odd"),
        pytest.param(MIXED, id="mixed"),
    ],
)
def test_machine_agrees(
    spec: MachineSpec, simulators: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """What the golden machine refuses ends with an error; the rest with the same memory.

    Memories on the chip begin with random bits. ``--programs 500 --programs-seed 11`` is a longer
    search.
    """
    count, seed = (request.config.getoption(name) for name in ("--programs", "--programs-seed"))
    found = check(spec, count, seed, simulators, tmp_path)
    assert found["equal"], "no program was compared"
    assert found["refused"], "no program was refused"


def check(spec: MachineSpec, count: int, seed: int, cache: Path, work: Path) -> Counter[str]:
    """Run changed programs; how many of which kind there were."""
    programs = list(mutated_programs(spec, count, seed))
    found: Counter[str] = Counter()
    wrong: list[str] = []

    def finished(index: int, run: Finished) -> None:
        one = programs[index]
        error = bool(run.registers[Register.STATUS] & STATUS_ERROR)
        if not one.defined:
            found["undefined"] += 1
        elif one.refused is not None:
            found["refused"] += 1
            if not error:
                wrong.append(f"{one.name}: must be refused ({one.refused})")
        elif error:
            wrong.append(f"{one.name}: must run, not end with {run.registers[Register.ERROR]:#x}")
        elif not one.ordered or not one.closed:
            found["depends on time or on power-up"] += 1
        else:
            found["equal"] += 1
            got = np.frombuffer(run.memory[0], np.uint8)
            differs = np.flatnonzero((got != one.memory) & ~one.open)
            if len(differs):
                at = int(differs[0])
                wrong.append(
                    f"{one.name}: {len(differs)} bytes differ, the first at {at:#x}: "
                    f"got {got[at]}, want {one.memory[at]}"
                )

    runs = [
        image_run(one.network, one.codes, watchdog=3000, max_cycles=1_000_000) for one in programs
    ]
    system = simulator(spec, cache, optimise=False)
    system.simulate(runs, work, on_finished=finished, seed=seed, random_memories=True)
    assert not wrong, f"{len(wrong)} of {count} (seed {seed}):\n" + "\n".join(wrong)
    print(spec, dict(found))
    return found
