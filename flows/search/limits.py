"""Reasons why no machine meets a frame rate."""

from __future__ import annotations

from flows.estimate.cycles.cycle_estimate import CycleEstimate
from flows.estimate.cycles.cycles import BOUNDS, estimate_cycles
from flows.estimate.cycles.mapped_program import MappedProgram
from flows.estimate.cycles.network_formats import in_formats
from flows.estimate.cycles.program_cycles import program_cycles
from flows.estimate.machine_points import Points
from flows.search.find import Goal, SearchResult
from models.machine.spec import MachineSpec

__all__ = ["by_bound", "limits", "memory_rate"]

NAMES = {"lut": "LUTs", "ff": "flip-flops", "dsp": "DSP slices", "bram36": "block RAM"}
WORTH = 1.01
"""Smallest growth of the rate for which a resource counts as a limit."""


def limits(goal: Goal, result: SearchResult) -> list[str]:
    """Sentences, most important one first; nothing if a machine meets the rate."""
    if result.machines:
        return []
    network, fastest = goal.network, result.fastest
    if not any(one.holding for one in result.tried):
        why = (
            f"no machine can hold {network.name}: a scratchpad has at most 131,072 words, a row "
            "of weights 8,192 elements, and products of two activations need fixed-point rows"
        )
        return [why]
    share = f"{100 * goal.fill:g} % of the device"
    if fastest is None:
        alone = [NAMES[name] for name, rate in result.without.items() if rate]
        short = f"not enough {' or '.join(alone)}" if alone else "several resources fall short"
        found = [f"no machine that can hold {network.name} fits in {share}: {short}"]
    else:
        found = [_resources(goal, result, fastest.fps, share)]
        memory = memory_rate(fastest.spec, goal)
        found.append(
            f"a memory bus of {fastest.spec.axi_width} bits that is always busy carries "
            f"{memory:,.1f} images a second"
        )
        shares = ", ".join(
            f"{100 * part:.0f} % {bound}" for bound, part in by_bound(fastest.spec, goal)
            if part >= 0.01
        )  # fmt: skip
        found.append(f"cycles of the fastest machine by bound: {shares}")
    found.append(
        f"on an unlimited device the fastest machine of the search reaches {result.unlimited:,.1f} "
        "images a second"
    )
    return found


def _resources(goal: Goal, result: SearchResult, rate: float, share: str) -> str:
    enough = [NAMES[n] for n, without in result.without.items() if without >= goal.fps]
    if enough:
        return f"not enough {' or '.join(enough)} in {share}"
    helpful = {n: w for n, w in result.without.items() if w > WORTH * rate}
    if helpful:
        parts = (f"{w:,.1f} images a second with unlimited {NAMES[n]}" for n, w in helpful.items())
        return f"no single resource is the limit: {', '.join(parts)}"
    if result.unlimited > WORTH * rate:
        return f"several resources fall short in {share}"
    return "the device's resources are not the limit: no larger machine of the search is faster"


def memory_rate(spec: MachineSpec, goal: Goal) -> float:
    """Images a second at which the memory bus is always busy."""
    one = estimate_cycles(Points.of([spec], "xcup"), goal.network.layers, whole=True)
    size = int(one.read_bytes.sum() + one.written_bytes.sum())
    bus = float(spec.axi_bytes)
    rate = bus if goal.bytes_per_cycle is None else min(bus, goal.bytes_per_cycle)
    return goal.clock_mhz * 1e6 * rate / size


def _estimate(spec: MachineSpec, goal: Goal, *, striped: bool) -> CycleEstimate:
    if striped:
        program = MappedProgram.planned(in_formats(goal.network.graph, spec), spec)
        return program_cycles(program, goal.bytes_per_cycle)
    return estimate_cycles(Points.of([spec], "xcup"), goal.network.layers, goal.bytes_per_cycle)


def by_bound(spec: MachineSpec, goal: Goal, *, striped: bool = False) -> list[tuple[str, float]]:
    """Shares of a machine's cycles by the bound of their layers, largest first."""
    one = _estimate(spec, goal, striped=striped)
    cycles, bound = one.cycles[0], one.bound[0]
    sums = {BOUNDS[b]: float(cycles[bound == b].sum() / cycles.sum()) for b in set(bound.tolist())}
    return sorted(sums.items(), key=lambda item: -item[1])
