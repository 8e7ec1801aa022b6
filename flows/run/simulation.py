"""Runs images through a built folder's Verilog, and compares every output three ways."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flows.errors import RunError, UserError
from flows.out_folder.build import Built, load_built
from flows.out_folder.memory_layout import memory_layout
from flows.run.execute import ImageResult, MachineError, golden_run, image_result, image_run
from flows.work.cache import cache_folder
from flows.work.inputs import Inputs, read_inputs
from flows.work.kept_log import with_kept_log
from models.numerics.rescale import Integers
from sim.runner import BuildFailed, SimulationFailed
from sim.scratch import scratch_folder
from sim.system import Finished, System, build_system
from sim.verilator import Missing

__all__ = ["Comparison", "Simulation", "simulate", "simulator_cache"]

USUAL_MEMORY_BYTES = 1 << 22
"""Simulated memory: so much at least, so that networks of one machine share its simulator."""

Progress = Callable[[str, int, int], None]
"""Told (what is going on, images done, cycles of the present one)."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One image's outputs.

    Attributes
    ----------
    scores : real numbers of the network's output, flat
    graph_differs, machine_differs : how many output codes of the Verilog are not those of the
        integer graph (its layers on the macro, where there is one) and of the golden machine
    events_lost : how many of the run's events found no room in the log of what units did when
    """

    label: int | None
    prediction: int
    scores: NDArray[np.float64]
    graph_differs: int
    machine_differs: int
    run: ImageResult
    events_lost: int

    @property
    def equal(self) -> bool:
        """Whether all three executions agree in every code."""
        return not self.graph_differs and not self.machine_differs


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """A simulation of images on a built network."""

    built: Built
    inputs: Inputs
    images: tuple[Comparison, ...]

    @property
    def mismatches(self) -> int:
        """Images with any output code that differs."""
        return sum(not image.equal for image in self.images)

    @property
    def cycles_per_image(self) -> float:
        """On average."""
        return float(np.mean([image.run.cycles for image in self.images]))

    @property
    def frames_per_second(self) -> float:
        """At the board's clock."""
        return self.built.board.clock_mhz * 1e6 / self.cycles_per_image

    @property
    def utilisation(self) -> float:
        """Multiply-accumulates of the network over what the array could have done."""
        macs = sum(layer.macs for layer in self.built.mapped.layers)
        return macs / self.cycles_per_image / self.built.mapped.spec.macs_per_cycle

    @property
    def cycles_per_cpu_second(self) -> float:
        """Speed of the simulator."""
        cycles = sum(image.run.cycles for image in self.images)
        return cycles / max(sum(image.run.cpu_seconds for image in self.images), 1e-9)


def simulator_cache() -> Path:
    """Where simulators are kept between runs: in the user's cache folder.

    Raises
    ------
    UserError
        if there is none.
    """
    return cache_folder("simulators") / "simulators"


def simulate(
    folder: Path,
    inputs: Path,
    count: int,
    *,
    on_progress: Progress = lambda stage, done, cycles: None,
    on_image: Callable[[int, Comparison], None] = lambda index, image: None,
) -> Simulation:
    """Run ``count`` images on the Verilog of a built folder.

    Parameters
    ----------
    on_image
        called with (index, comparison) as soon as an image is done.

    Raises
    ------
    UserError
        if the folder, the inputs or the installation are not right.
    RunError
        if the machine did not finish an image.
    """
    cache = simulator_cache()
    built = load_built(folder, lambda: on_progress("making the machine again, to compare", 0, 0))
    source = built.graph.tensors[built.graph.input]
    images = read_inputs(inputs, source, count)
    on_progress("integer graph", 0, 0)
    expected = built.golden(images.codes)
    on_progress("building the simulator", 0, 0)
    try:
        system = build_system(
            built.verilog,
            data_width=built.mapped.spec.axi_width,
            memory_bytes=max(memory_layout(built.mapped).end, USUAL_MEMORY_BYTES),
            cache=cache,
        )
    except (BuildFailed, Missing) as error:
        raise UserError(str(error)) from None
    except OSError as error:
        raise UserError(f"cannot write to {cache}: {error.strerror or error}") from None
    done: list[Comparison] = []

    def finished(index: int, run: Finished) -> None:
        done.append(_compare(built, images, index, expected[index], run))
        on_image(index, done[-1])

    _run(system, built, images, lambda i, n: on_progress("simulating", i, n), finished, folder)
    return Simulation(built=built, inputs=images, images=tuple(done))


def _run(
    system: System,
    built: Built,
    images: Inputs,
    on_progress: Callable[[int, int], None],
    on_finished: Callable[[int, Finished], None],
    logs: Path,
) -> None:
    """Run all images in one simulator process, in a folder that is gone afterwards.

    The log of a simulation that fails is kept in the folder ``logs``.
    """
    runs = [
        image_run(built.mapped, image, number=number) for number, image in enumerate(images.codes)
    ]
    place = ""
    try:
        temporary = Path(tempfile.gettempdir())
        with scratch_folder(temporary, "rowmac-simulation-") as work:
            place = f" {temporary}"
            try:
                system.simulate(runs, work, on_progress=on_progress, on_finished=on_finished)
            except (SimulationFailed, MachineError) as error:
                raise RunError(with_kept_log(str(error), work, [logs])) from None
    except BrokenPipeError:
        raise  # nobody reads what is told of the progress
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write to the temporary folder{place}: {reason}") from None


def _compare(
    built: Built, inputs: Inputs, index: int, expected: Integers, run: Finished
) -> Comparison:
    result = image_result(built.mapped, run, inputs.codes[index])
    machine, _ = golden_run(built.mapped, inputs.codes[index], number=index)
    output = built.graph.tensors[built.graph.output]
    scores = output.dequantize(result.output).reshape(-1)
    return Comparison(
        label=None if inputs.labels is None else int(inputs.labels[index]),
        prediction=int(scores.argmax()),
        scores=scores,
        graph_differs=int(np.count_nonzero(result.output != expected)),
        machine_differs=int(np.count_nonzero(result.output != machine)),
        run=result,
        events_lost=run.events_lost,
    )
