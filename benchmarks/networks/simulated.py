"""One image of a whole network through the Verilog of its machine, every output code compared."""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.networks.layer_errors import layer_errors
from benchmarks.networks.row import chosen_machine, estimated
from benchmarks.networks.subject import Subject
from flows.boards import Board
from flows.mapper import map_network
from flows.out_folder.memory_layout import memory_layout
from flows.run.execute import build_simulator, image_result, image_run
from flows.run.simulation import simulator_cache
from sim.conditions import IDEAL

__all__ = ["simulated"]

MEMORIES = (1 << 22, 1 << 26)
"""Sizes of simulated memory that networks of one machine share simulators of; else one's own."""
LARGE_ARRAY = 2048
"""MAC/cycle from which on one of the compiler's steps takes longer than all others together."""
MOST_CYCLES = 1 << 31


def simulated(subject: Subject, board: Board) -> dict[str, Any]:
    """Cycles of one image, and how many output codes are not those of the integer graph."""
    spec = chosen_machine(subject, board).spec
    mapped = map_network(subject.graph, spec)
    need = memory_layout(mapped).end
    memory_bytes = next((size for size in MEMORIES if size >= need), need)
    started = time.monotonic()
    options = ("-fno-merge-cond-motion",) if spec.macs_per_cycle >= LARGE_ARRAY else ()
    system = build_simulator(spec, memory_bytes, simulator_cache(), options=options)
    built = time.monotonic() - started
    timing = board.memory.named(subject.memory, board.clock_mhz, spec.axi_bytes)
    conditions = replace(IDEAL, memory=timing)
    run = image_run(mapped, subject.codes[0], conditions=conditions, max_cycles=MOST_CYCLES)
    label = f"{subject.name} on {board.name}"

    def progress(index: int, cycles: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{label}: {cycles:,} cycles", end="", file=sys.stderr)

    with tempfile.TemporaryDirectory() as folder:
        (finished,) = system.simulate([run], Path(folder), on_progress=progress)
    print(f"\r{label}: {finished.cycles:,} cycles", file=sys.stderr)
    result = image_result(mapped, finished, subject.codes[0])
    found = estimated(subject, mapped, timing)
    return {
        "memory": timing.facts(),
        "cycles": result.cycles,
        **layer_errors(mapped, found, finished.events, result.cycles),
        "codes_compared": int(result.output.size),
        "codes_wrong": int(np.count_nonzero(result.output != subject.expected)),
        "busy": result.busy,
        "machine_fingerprint": f"{spec.fingerprint:08x}",
        "simulator_built_seconds": round(built, 1),
        "simulated_cpu_seconds": round(result.cpu_seconds, 1),
    }
