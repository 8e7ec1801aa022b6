"""A sweep with something fast in place of Yosys, to be killed: ``killed STORE [ADDRESS]``."""

from __future__ import annotations

import sys
import time
import zlib
from pathlib import Path

from flows.sweep.definition import Definition, point_key
from flows.sweep.measure import SYNTHESIS, Task, work
from flows.sweep.model_mark import model_mark
from flows.sweep.point_store import Outcome, Store
from flows.sweep.sweep_run import sweep
from flows.sweep.sweep_workers import DaskWorkers, SweepWorkers, local_workers

DEFINITION = Definition(
    {
        "board": ["zcu102"],
        "lanes": [4, 8],
        "tokens": [2, 4],
        "rows": ["8", "16", "fixed8:16", "fixed8:8,pot4:8"],
        "vector_lanes": [4],
        "depth": [1024, 2048, 4096],
        "queue_depth": [4, 5, 6, 7],
    },
    [{"board": "arty-z7-20", "queue_depth": depth} for depth in range(10, 30)],
)
"""212 points; 200 of them are machines."""


def stand_in(task: Task) -> list[Outcome]:
    """Estimates as they are; for a synthesis a moment, and figures made of the point's name."""
    if task.stage != SYNTHESIS:
        return work(task)
    time.sleep(0.02 * len(task.points))
    keys = [point_key(point) for point in task.points]
    return [
        Outcome(point=key, stage=SYNTHESIS, value={"lut": zlib.crc32(key.encode())}) for key in keys
    ]


def main() -> None:
    """Sweep."""
    store = Store(Path(sys.argv[1]), model_mark())
    workers: SweepWorkers = local_workers(2, stand_in)
    if len(sys.argv) > 2:
        workers = DaskWorkers(sys.argv[2], stand_in)
    with workers:
        sweep(DEFINITION, store, workers, synthesise="all")
    store.close()


if __name__ == "__main__":
    main()
