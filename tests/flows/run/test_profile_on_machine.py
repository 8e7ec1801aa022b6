"""A profile's figures, which come from events and program alone, beside the machine's counters."""

from __future__ import annotations

from pathlib import Path

from flows.run.execute import image_result, image_run
from flows.run.profile import profile
from models.cost.pipelines import FETCHES_AHEAD
from models.machine.units import UNIT_NAMES, WORKING_UNITS, Unit
from models.program.layout import DESCRIPTOR_BYTES
from sim.system import Finished
from tests.flows.run.test_mixed_networks import MACHINES
from tests.support.machines import conditions, job, simulator
from tests.support.mixed_networks import mixed_network
from tests.support.random_networks import random_codes


def test_bytes_and_cycles_are_the_machines(simulators: Path, tmp_path: Path) -> None:
    """Of one run on a memory that never stalls, and one on a memory that does."""
    spec = MACHINES["odd"]
    graph = mixed_network(0, spec)
    one = job("mixed network 0", graph, random_codes(graph, 0)[0], spec, trace=False)
    runs = [image_run(one.network, one.codes, conditions=conditions(seed, 0)) for seed in (None, 3)]
    compared = []

    def finished(index: int, run: Finished) -> None:
        result = image_result(one.network, run, one.codes)
        made = profile(one.network, result)
        # Descriptors behind the last one may have been asked for before it was known to be.
        more = run.traffic.read_beats * spec.axi_bytes - made.moved.read - made.fetched
        assert more in range(0, FETCHES_AHEAD * DESCRIPTOR_BYTES + 1, DESCRIPTOR_BYTES)
        assert run.traffic.write_beats * spec.axi_bytes == made.moved.written
        for unit in WORKING_UNITS:
            own = [done for done in made.done if done.unit is unit]
            # Loads and stores may be under way together.
            cycles = {at for done in own for at in range(done.start, done.start + done.cycles)}
            assert len(cycles) == result.busy[UNIT_NAMES[unit]]
        # A product's last cycle, in which it is told to be done, has no beat and is no stall.
        beats = sum(layer.layer.beats for layer in made.layers)
        products = sum(done.unit is Unit.MATRIX for done in made.done)
        assert beats == result.busy["matrix"] - result.stall["matrix"] - products
        for layer in made.layers:
            time = layer.time
            assert time.work + sum(time.waits.values()) == time.stop - time.start
        compared.append(made.cycles)

    simulator(spec, simulators, optimise=False).simulate(runs, tmp_path, on_finished=finished)
    assert compared[0] != compared[1]
