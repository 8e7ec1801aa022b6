"""Analytic points a second of ``rowmac sweep``, from definition to finished store.

ResNet-18 on 100,000 machines (fewer with ``--points``), all cores; the store is on disk. With
``--policies`` their rows are by quantisation policies instead of row classes.
"""

from __future__ import annotations

import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.report import arguments, show
from flows.sweep.definition import Definition
from flows.sweep.evaluate import ESTIMATE
from flows.sweep.model_mark import model_mark
from flows.sweep.point_store import Store
from flows.sweep.sweep_run import sweep
from flows.sweep.sweep_workers import local_workers
from flows.work.workers import LocalWorkers

GRID: dict[str, list[Any]] = {
    "board": ["zcu102"],
    "network": ["resnet-18"],
    "rows": [
        f"{rows}" if kind is None else kind.format(rows, rows // 2)
        for kind in (None, "fixed8:{0}", "fixed4:{0}", "fixed8:{1},pot4:{1}", "fixed4:{1},pot4:{1}")
        for rows in (8, 16, 32)
    ],
    "lanes": [8, 16, 32],
    "tokens": [2, 4, 8, 16],
    "vector_lanes": [4, 8],
    "depth": [4608, 8192],
    "bank_words": [16384, 32768],
    "axi_width": [64, 128],
    "param_entries": [512, 1024],
    "clock_mhz": [100, 125, 150, 175, 200, 225, 250, 275, 300, 325],
    "queue_depth": [4, 6, 8],
    "row_group": [8, 16, 32],
}
POLICIES = {
    "policy": ["int8", "int4", "rmsmp", "film-qnn", "msq"],
    "rows": ["16", "32", "64"],
}


def speed(count: int, jobs: int = 0, *, policies: bool = False) -> dict[str, Any]:
    """Seconds for ``count`` points."""
    grid = Definition(GRID | POLICIES if policies else GRID)
    definition = Definition({}, list(islice(iter(grid), 0, None, max(1, len(grid) // count))))
    definition = Definition({}, definition.points[:count])
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "sweep.sqlite", model_mark())
        begin = time.perf_counter()
        with local_workers(jobs) as workers:
            sweep(definition, store, workers)
        seconds = time.perf_counter() - begin
        estimated = sum(o.value is not None for o in store.outcomes(ESTIMATE))
        store.close()
        assert isinstance(workers, LocalWorkers)
        cores = workers.jobs
    return {
        "points": len(definition),
        "estimated": estimated,
        "seconds": seconds,
        "points_per_second": len(definition) / seconds,
        "processes": cores,
    }


def main() -> None:
    """Command line."""
    options = arguments(
        __doc__ or "",
        points={"type": int, "default": 100_000},
        jobs={"type": int, "default": 0},
        policies={"action": "store_true"},
    )
    found = speed(options.points, options.jobs, policies=options.policies)
    show(found, as_json=options.json)


if __name__ == "__main__":
    main()
