"""Tasks of a sweep, and the work that a worker process does for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.errors import RunError, UserError
from flows.sweep.definition import Point, point_key
from flows.sweep.evaluate import ESTIMATE, MAPPING, evaluate, map_point
from flows.sweep.macro_point import around_macro
from flows.sweep.point_machine import board_of, machine_of
from flows.sweep.point_store import Outcome
from flows.sweep.tools import ToolMissingError, require_tools
from flows.work.cache import cache_folder
from sim.verilator import Missing

__all__ = ["SIMULATION", "STAGES", "SYNTHESIS", "Task", "work"]

SYNTHESIS = "synthesis"
SIMULATION = "simulation"
STAGES = (ESTIMATE, SYNTHESIS, SIMULATION)

ATTEMPTS = 20
"""Runs of a tool that is killed each time before the point fails."""

Stage = Callable[[Point, Path | None], dict[str, Any]]
Worker = Callable[["Task"], list[Outcome]]


@dataclass(frozen=True)
class Task:
    """Points of one stage, for one worker.

    ``cache`` is a folder for synthesised parts and simulators.
    """

    stage: str
    points: Sequence[Point]
    cache: Path | None = None


def work(task: Task) -> list[Outcome]:
    """Run a task. An error of a point becomes its outcome, and the other points are still run.

    Raises
    ------
    ToolMissingError
        If the stage's program is not installed here, which says nothing about a point.
    """
    if task.stage == ESTIMATE:
        return evaluate(task.points)
    if task.stage == MAPPING:
        return [map_point(point) for point in task.points]
    require_tools(synthesise=task.stage == SYNTHESIS, simulate=task.stage == SIMULATION)
    one = {SYNTHESIS: _synthesise, SIMULATION: _simulate}[task.stage]
    found = []
    for point in task.points:
        value, error = None, None
        try:
            value = _again_if_killed(one, point, task.cache)
        except (ToolMissingError, Missing) as reason:
            raise ToolMissingError(str(reason)) from None
        except (UserError, RunError) as reason:
            error = str(reason)
        except (ValueError, OSError, RuntimeError) as reason:
            # A tool that fails on one machine must not end the sweep.
            error = f"{type(reason).__name__}: {reason}"
        found.append(Outcome(point=point_key(point), stage=task.stage, value=value, error=error))
    return found


def _again_if_killed(one: Stage, point: Point, cache: Path | None) -> dict[str, Any]:
    from flows.estimate.resources.synthesis import ToolKilledError

    for _ in range(ATTEMPTS - 1):
        try:
            return one(point, cache)
        except ToolKilledError:
            continue
    return one(point, cache)


def _synthesise(point: Point, cache: Path | None) -> dict[str, Any]:
    from flows.estimate.resources.machine_synthesis import synthesise_machine

    _check_digital(
        point, "synthesised", "synthesis works part by part, and a macro is not one of the parts"
    )
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
    found = synthesise_machine(machine_of(point), board_of(point).family, cache=cache)
    return {
        "lut": found.lut, "ff": found.ff, "dsp": found.dsp, "bram36": found.bram36,
        "yosys": found.yosys,
    }  # fmt: skip


def _simulate(point: Point, cache: Path | None) -> dict[str, Any]:
    """Cycles of one image of zeros: cycles do not depend on data."""
    import tempfile

    import numpy as np

    from flows.mapper import MappingError, map_network
    from flows.onnx_import import NetworkError, load_network
    from flows.out_folder.memory_layout import memory_layout
    from flows.run.execute import MachineError, build_simulator, run_images
    from flows.work.kept_log import with_kept_log
    from sim.runner import BuildFailed, SimulationFailed
    from sim.scratch import scratch_folder

    _check_digital(
        point,
        "simulated in a sweep",
        "a macro's converters are set on calibration images, which a sweep does not have",
    )
    name = str(point.get("network", ""))
    if not name.endswith(".onnx"):
        raise UserError(f"network must be a file to be simulated, not {name or 'none'}")
    spec = machine_of(point)
    try:
        graph = load_network(Path(name))
        network = map_network(graph, spec)
        with scratch_folder(Path(tempfile.gettempdir()), "rowmac-simulation-") as folder:
            simulators = folder if cache is None else cache / "simulators"
            system = build_simulator(spec, memory_layout(network).end, simulators)
            zeros = np.zeros((1, *graph.tensors[graph.input].shape), dtype=np.int64)
            try:
                result = run_images(system, network, zeros, folder)[0]
            except SimulationFailed as e:
                raise UserError(with_kept_log(str(e), folder)) from None
    except (NetworkError, MappingError, MachineError, BuildFailed) as e:
        raise UserError(str(e)) from None
    return {"cycles": result.cycles}


def _check_digital(point: Point, what: str, why: str) -> None:
    if around_macro(point):
        raise UserError(f"machine must be digital to be {what}, not {point['engine']}: {why}")


def parts_cache() -> Path | None:
    """Folder of parts and simulators between sweeps; None where it cannot be written."""
    try:
        return cache_folder("parts") / "sweep"
    except UserError:
        return None
