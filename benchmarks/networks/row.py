"""One network on one board without a simulator: machine, mapping, codes, estimates."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.networks.subject import Subject
from flows.boards import Board
from flows.boards.board import DEVICE
from flows.errors import UserError
from flows.estimate.cycles.cycle_estimate import CycleEstimate
from flows.estimate.cycles.found_network import Network
from flows.estimate.cycles.graph_layers import mapped_layers
from flows.estimate.cycles.machine_cycles import machine_cycles
from flows.estimate.cycles.mapped_program import MappedProgram
from flows.estimate.resources.device_cost import device_cost
from flows.machine.default import Chosen, default_machine
from flows.machine.fit_board import fitted_machine
from flows.machine.needs import graph_needs
from flows.mapper import MappedNetwork, MappingError, map_network
from flows.onnx_import import NetworkError
from flows.run.execute import golden_run
from models.machine.memory import MemoryTiming
from models.machine.spec import MachineSpec

__all__ = ["checked", "chosen_machine", "estimated"]


def chosen_machine(subject: Subject, board: Board) -> Chosen:
    """The subject's machine, or that of ``rowmac build`` without any option of one."""
    if subject.machine is not None:
        return Chosen(spec=subject.machine)
    return fitted_machine(board, graph_needs(subject.name, subject.graph), device_cost)


def checked(subject: Subject, board: Board) -> dict[str, Any]:
    """Every figure but those of simulator and synthesis; ``reason`` says what went wrong."""
    clock = _Clock()
    try:
        graph = subject.graph
        clock.lap("import")
        chosen = chosen_machine(subject, board)
        clock.lap("machine")
        mapped = map_network(graph, chosen.spec)
        clock.lap("map")
    except (NetworkError, UserError, MappingError) as error:
        return _left_out(str(error), clock)
    spec = chosen.spec
    expected = subject.expected
    clock.lap("integer_graph")
    output, _ = golden_run(mapped, subject.codes[0])
    clock.lap("golden_machine")
    macs = sum(layer.macs for layer in mapped.layers)
    return {
        "macs": macs,
        "machine": _machine(chosen, board),
        **_resources(spec, board),
        "cycles_ideal": -(-macs // spec.macs_per_cycle),
        **_estimate(subject, mapped, board),
        "array_beats": sum(layer.beats for layer in mapped.layers),
        "descriptors": mapped.descriptors,
        "image_bytes": len(mapped.image),
        "work_bytes": mapped.work_bytes,
        "exact": bool(np.array_equal(output, expected)),
        "onnxruntime": subject.opinions,
        "cpu_seconds": clock.laps,
    }


class _Clock:
    """CPU seconds of one stage after the other."""

    def __init__(self) -> None:
        self.last = time.process_time()
        self.laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.process_time()
        self.laps[name] = round(now - self.last, 2)
        self.last = now


def _left_out(reason: str, clock: _Clock) -> dict[str, Any]:
    return {"fits": False, "reason": reason, "exact": None, "cpu_seconds": clock.laps}


def _machine(chosen: Chosen, board: Board) -> dict[str, Any]:
    spec = chosen.spec
    return {
        "fingerprint": f"{spec.fingerprint:08x}",
        "default": spec == default_machine(board),
        "macs_per_cycle": spec.macs_per_cycle,
        "rows": ",".join(map(str, spec.classes)) or str(spec.rows),
        "plain_because": chosen.reason,
        "changes": [*map(str, chosen.changes)],
    }


def _resources(spec: MachineSpec, board: Board) -> dict[str, Any]:
    """Estimates, and whether the device has as many."""
    cost = device_cost(spec, board)
    has = {name: int(getattr(board.resources, field)) for name, field in DEVICE.items()}
    return {
        "fits": all(cost[name] <= has[name] for name in DEVICE),
        "resources_estimate": cost,
        "device": has,
    }


def estimated(subject: Subject, mapped: MappedNetwork, memory: MemoryTiming) -> CycleEstimate:
    """What ``rowmac estimate`` says of cycles.

    Raises
    ------
    UserError, ValueError
        Where it refuses.
    """
    program = MappedProgram.of(mapped)
    network = Network(
        name=subject.name,
        source=subject.name,
        layers=tuple(mapped_layers(subject.graph, mapped)),
        graph=subject.graph,
        program=None if program.plain else program,
    )
    return machine_cycles(network, mapped.spec, memory=memory)


def _estimate(subject: Subject, mapped: MappedNetwork, board: Board) -> dict[str, Any]:
    timing = board.memory.named(subject.memory, board.clock_mhz, mapped.spec.axi_bytes)
    try:
        found = estimated(subject, mapped, timing)
    except (UserError, ValueError) as error:
        return {"cycles_estimate": None, "estimate_refused": str(error)}
    return {"cycles_estimate": int(found.total[0])}
