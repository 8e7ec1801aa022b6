"""Cycles of whole networks by memory: near, far (the same rate at the boards' latency), board.

``python -m benchmarks.memory_latency``: example networks and two named workloads on the boards'
machines through the Verilog, an image each; every output code must be the golden machine's. Beside
each is the estimate, with the worst of the layers that take :data:`LEAST` cycles or more.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cycle_points import EXAMPLES
from benchmarks.networks.row import chosen_machine
from benchmarks.networks.subject import Subject
from benchmarks.networks.workload_subject import WORKLOAD_NETWORKS, WorkloadSubject
from benchmarks.report import arguments, show
from flows.boards import Board, find
from flows.cli.table import table
from flows.estimate.cycles.cycle_points import layer_front
from flows.estimate.cycles.found_network import Network
from flows.estimate.cycles.graph_layers import mapped_layers
from flows.estimate.cycles.machine_cycles import machine_cycles
from flows.estimate.cycles.mapped_program import MappedProgram
from flows.mapper import MappedNetwork, map_network
from flows.out_folder.memory_layout import memory_layout
from flows.run.activity import intervals
from flows.run.execute import build_simulator, golden_run, image_result, image_run
from flows.run.simulation import simulator_cache
from flows.work.inputs import read_inputs
from models.machine.memory import NEAR, MemoryTiming
from sim.conditions import Conditions

FILES = ("resnet_int8", "vit_int8")
NAMES = (*FILES, *WORKLOAD_NETWORKS)
BOARDS = ("arty-z7-20", "zcu102")
MEMORY_BYTES = 1 << 22
LEAST = 2000
"""Cycles from which a layer's error counts."""
HEAD = ("network", "board", "memory", "cycles", "to near", "estimate", "error", "worst layer", "")


class FileSubject(Subject):
    """A network of the examples, with their first image."""

    def __init__(self, name: str) -> None:
        super().__init__(name, EXAMPLES)

    @property
    def file(self) -> Path:
        """The example's file."""
        return EXAMPLES / f"{self.name}.onnx"

    @property
    def codes(self) -> Any:
        """``[1, *shape]`` the first image."""
        return read_inputs(EXAMPLES / "samples.npz", self.graph.tensors[self.graph.input], 1).codes


def memories(board: Board, bus_bytes: int) -> list[MemoryTiming]:
    """What is compared: near, the board's latency at the full rate, the board's."""
    own = board.memory.timing(board.clock_mhz, bus_bytes)
    far = replace(NEAR, name="far", read_latency=own.read_latency, write_latency=own.write_latency)
    return [NEAR, far, own]


def rows(names: Sequence[str], boards: Sequence[str]) -> Iterator[dict[str, Any]]:
    """A row for each network, board and memory."""
    for name in names:
        subject = FileSubject(name) if name in FILES else WorkloadSubject(name, Path())
        for board in map(find, boards):
            spec = chosen_machine(subject, board).spec
            mapped = map_network(subject.graph, spec)
            size = max(MEMORY_BYTES, memory_layout(mapped).end)
            system = build_simulator(spec, size, simulator_cache())
            every = memories(board, spec.axi_bytes)
            codes = subject.codes[0]
            runs = [image_run(mapped, codes, conditions=Conditions(memory=m)) for m in every]
            with tempfile.TemporaryDirectory() as folder:
                finished = system.simulate(runs, Path(folder))
            output, _ = golden_run(mapped, codes)
            near = 0
            for memory, one in zip(every, finished, strict=True):
                result = image_result(mapped, one, codes)
                if not np.array_equal(result.output, output):
                    raise AssertionError(f"{name} on {board.name}: codes differ")
                near = near or result.cycles
                yield {
                    "network": name,
                    "board": board.name,
                    "memory": memory.facts(),
                    "cycles": result.cycles,
                    "to_near": result.cycles / near - 1,
                    **_estimate(subject, mapped, memory, result.events, result.cycles),
                }


def _estimate(
    subject: Subject, mapped: MappedNetwork, memory: MemoryTiming, events: Any, cycles: int
) -> dict[str, Any]:
    program = MappedProgram.of(mapped)
    network = Network(
        name=subject.name,
        source=subject.name,
        layers=tuple(mapped_layers(subject.graph, mapped)),
        graph=subject.graph,
        program=None if program.plain else program,
    )
    found = machine_cycles(network, mapped.spec, memory=memory)
    ends = [0] * (len(mapped.layers) + 2)
    for one in intervals(events):
        ends[one.tag] = max(ends[one.tag], one.stop)
    measured = np.array(layer_front(ends, cycles))
    apart = np.where(measured >= LEAST, found.cycles[0] / np.maximum(measured, 1) - 1, 0)
    worst = int(np.abs(apart).argmax())
    total = int(found.total[0])
    return {
        "estimate": total,
        "error": total / cycles - 1,
        "worst_layer": found.names[worst],
        "worst_layer_error": float(apart[worst]),
    }


def main() -> None:
    """Measure and print."""
    options = arguments(
        "Cycles by the memory's latency and rate, simulated and estimated",
        networks={"nargs": "*", "default": list(NAMES), "choices": NAMES, "metavar": "NAME"},
        boards={"nargs": "*", "default": list(BOARDS), "choices": BOARDS, "metavar": "BOARD"},
    )
    found = []
    for row in rows(options.networks, options.boards):
        found.append(row)
        print(f"{row['network']} {row['board']} {row['memory']['name']}: {row['cycles']:,}",
              file=sys.stderr)  # fmt: skip
    if options.json:
        show({"rows": found}, as_json=True)
        return
    print(table(HEAD, [
        (r["network"], r["board"], r["memory"]["name"], r["cycles"], f"{r['to_near']:+.2%}",
         r["estimate"], f"{r['error']:+.2%}", r["worst_layer"], f"{r['worst_layer_error']:+.2%}")
        for r in found
    ]))  # fmt: skip


if __name__ == "__main__":
    main()
