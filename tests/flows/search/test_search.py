"""The search against plain enumeration, and what it says where nothing meets."""

from dataclasses import replace

import numpy as np
import pytest

from flows.boards import Board, find
from flows.boards.board import DEVICE
from flows.estimate.cycles.cycles import estimate_cycles
from flows.estimate.cycles.found_network import find_network
from flows.estimate.cycles.machine_cycles import machine_cycles
from flows.estimate.machine_points import Points
from flows.estimate.resources.resources import estimate_resources
from flows.search.candidates import candidates, complete, spec_of, with_entries
from flows.search.find import Found, Goal, search
from flows.search.limits import by_bound, limits, memory_rate
from flows.search.precisions import PRECISIONS, Mixture, Precision
from models.machine.spec import MachineSpec

pytestmark = pytest.mark.slow

ARTY, ZCU102 = find("arty-z7-20"), find("zcu102")


def shares(spec: MachineSpec) -> list[float]:
    cost = estimate_resources(spec, ARTY.family)
    return [getattr(cost, name) / getattr(ARTY.resources, of) for name, of in DEVICE.items()]


def test_the_cheapest_of_all_machines_that_meet_the_rate() -> None:
    network, precision = find_network("resnet-8"), PRECISIONS[0]
    goal = Goal(network=network, board=ARTY, fps=900, clock_mhz=100, fill=0.6)
    (found,) = search(goal, precisions=[precision]).machines
    points = with_entries(candidates(precision.mixture, "xc7", 64), network.layers)
    points, holds = complete(points, network.layers, estimate_cycles(points, network.layers))
    best = None
    specs = [spec_of(points, int(at), precision.mixture) for at in np.flatnonzero(holds)]
    cycles = estimate_cycles(Points.of(specs, "xc7"), network.layers, whole=True).total
    for spec, count in zip(specs, cycles, strict=True):
        if 100e6 / count < 900:
            continue
        used = shares(spec)
        if max(used) <= 0.6:
            key = (max(used), estimate_resources(spec, "xc7").lut)
            best = min(best or (key, spec), (key, spec), key=lambda item: item[0])
    assert best is not None
    assert found.spec == best[1]
    assert found.fullest == pytest.approx(best[0][0])


def test_a_higher_rate_costs_precision_or_ratio() -> None:
    before = (0, 0.0)
    network = find_network("resnet-8")
    for fps in (1500, 1800, 2050, 2200):
        goal = Goal(network=network, board=ARTY, fps=fps, clock_mhz=100)
        result = search(goal, precisions=PRECISIONS[:9])
        (found,) = result.machines
        assert found.fps >= fps
        place = (PRECISIONS.index(found.precision), found.ratio)
        assert place >= before
        # Every better precision was looked at, and none of its machines met the rate.
        assert [one.precision for one in result.tried] == list(PRECISIONS[: place[0] + 1])
        assert all(one.fps < fps for one in result.tried[:-1])
        before = place
    assert before > (8, 0.0)


def test_ranked_by_ratio_then_by_the_fullest_resource() -> None:
    mixed = Precision(Mixture("fixed8", "pot4"), 8)
    goal = Goal(network=find_network("deit-tiny"), board=ZCU102, fps=200, clock_mhz=150)
    found = search(goal, top=20, precisions=[mixed]).machines
    assert len(found) == 20

    def rank(one: Found) -> tuple[float, float]:
        return one.ratio, one.fullest

    assert list(found) == sorted(found, key=rank)


@pytest.mark.parametrize(
    ("name", "board", "fps", "lines"),
    [
        ("deit-base", ARTY, 1,
         ["no machine that can hold deit-base fits in 90 % of the device: not enough block RAM",
          "on an unlimited device the fastest machine of the search reaches"]),
        ("deit-tiny", ARTY, 30,
         ["not enough DSP slices or block RAM in 90 % of the device",
          "a memory bus of 64 bits that is always busy carries",
          "cycles of the fastest machine by bound: ",
          "on an unlimited device"]),
        ("deit-tiny", ARTY, 50,
         ["no single resource is the limit: ", "a memory bus", "cycles of the", "on an unlimited"]),
    ],
)  # fmt: skip
def test_why_no_machine_meets_the_rate(
    name: str, board: Board, fps: float, lines: list[str]
) -> None:
    goal = Goal(network=find_network(name), board=board, fps=fps, clock_mhz=100)
    result = search(goal, precisions=PRECISIONS[:2])
    said = limits(goal, result)
    assert len(said) == len(lines)
    for line, begin in zip(said, lines, strict=True):
        assert line.startswith(begin)
    assert not result.machines


def test_a_network_that_no_scratchpad_holds() -> None:
    goal = Goal(network=find_network("deit-tiny"), board=ARTY, fps=1, clock_mhz=100)
    # Rows of powers of two alone have no place for products of two activations.
    binary = [Precision(Mixture("pot4"), 8)]
    result = search(goal, precisions=binary)
    (line,) = limits(goal, result)
    assert line.startswith("no machine can hold deit-tiny: a scratchpad has at most 131,072 words")


def test_less_bandwidth_is_slower() -> None:
    goal = Goal(network=find_network("deit-tiny"), board=ZCU102, fps=1e6, clock_mhz=150)
    wide = search(goal, precisions=PRECISIONS[:1])
    slow = replace(goal, bandwidth_mb_s=300)
    narrow = search(slow, precisions=PRECISIONS[:1])
    assert wide.fastest is not None
    assert narrow.fastest is not None
    assert narrow.fastest.fps < wide.fastest.fps
    rate = memory_rate(narrow.fastest.spec, slow)
    assert rate == pytest.approx(memory_rate(narrow.fastest.spec, goal) * 300 / 2400)
    # Estimates of single layers do not share what the bus carries in their overlaps.
    assert narrow.fastest.fps < 1.005 * rate
    assert by_bound(narrow.fastest.spec, slow)[0][0] == "weights (bandwidth)"


def test_networks_that_the_device_does_not_hold_are_made_in_strips() -> None:
    """Cycles are those of the program, and the machine fits with its memories."""
    goal = Goal(network=find_network("resnet-18"), board=ARTY, fps=8, clock_mhz=100)
    (found,) = search(goal, precisions=PRECISIONS[:1]).machines
    assert found.striped
    assert found.fps >= 8
    assert max(shares(found.spec)) == pytest.approx(found.fullest)
    assert found.fullest <= 0.9
    mapped = goal.network.on(found.spec)
    assert mapped.program is not None
    assert machine_cycles(mapped, found.spec).total[0] == found.cycles
    bounds = by_bound(found.spec, goal, striped=True)
    assert sum(share for _, share in bounds) == pytest.approx(1)
    # Three times the rate costs a larger machine, or another precision.
    fast = next(iter(search(replace(goal, fps=24)).machines), None)
    assert fast is None or fast.spec.macs_per_cycle > found.spec.macs_per_cycle
