"""Runs images through a built folder's Verilog, and compares every output three ways."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from flows.errors import RunError, UserError
from flows.out_folder.build import Built, load_built
from flows.out_folder.memory_layout import memory_layout
from flows.run.execute import ImageResult, MachineError, golden_run, image_result, image_run
from flows.run.trace import Difference, first_difference, tensors_of
from flows.work.atomic import output_file
from flows.work.cache import cache_folder
from flows.work.inputs import Inputs, read_inputs
from flows.work.kept_log import with_kept_log
from models.machine.memory import NEAR, MemoryTiming
from models.numerics.rescale import Integers
from sim.conditions import IDEAL, RESTLESS
from sim.runner import BuildFailed, SimulationFailed
from sim.scratch import scratch_folder
from sim.system import Finished, System, build_system
from sim.verilator import Missing

__all__ = ["DEBUG", "Comparison", "Debug", "Simulation", "simulate", "simulator_cache"]

USUAL_MEMORY_BYTES = 1 << 22
"""Simulated memory: so much at least, so that networks of one machine share its simulator."""

Progress = Callable[[str, int, int], None]
"""Told (what is going on, images done, cycles of the present one)."""


@dataclass(frozen=True, kw_only=True)
class Debug:
    """What a simulation does for somebody who looks for a fault.

    Attributes
    ----------
    trace : store and compare every tensor; the program has more stores and takes more cycles
    waves : file for a waveform of all images, .vcd or .fst
    seed : makes the memory stall at random, from this seed; without one it never stalls
    """

    trace: bool = False
    waves: Path | None = None
    seed: int | None = None

    @property
    def kind(self) -> Literal["vcd", "fst"] | None:
        """Kind of the waveform, if any."""
        if self.waves is None:
            return None
        return "fst" if self.waves.suffix == ".fst" else "vcd"


DEBUG = Debug()
"""Nothing but the outputs."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One image's outputs.

    Attributes
    ----------
    scores : real numbers of the network's output, flat
    graph_differs, machine_differs : how many output codes of the Verilog are not those of the
        integer graph (its layers on the macro, where there is one) and of the golden machine
    events_lost : how many of the run's events found no room in the log of what units did when
    difference : the first tensor that differs, where every tensor was compared
    """

    label: int | None
    prediction: int
    scores: NDArray[np.float64]
    graph_differs: int
    machine_differs: int
    run: ImageResult
    events_lost: int
    difference: Difference | None = None

    @property
    def equal(self) -> bool:
        """Whether all three executions agree in every code that was compared."""
        return not (self.graph_differs or self.machine_differs or self.difference)


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """A simulation of images on a built network, with what was asked for."""

    built: Built
    inputs: Inputs
    images: tuple[Comparison, ...]
    debug: Debug
    memory: MemoryTiming = NEAR
    waves_lost: str | None = None
    """Why a waveform that was asked for could not be kept."""

    @property
    def mismatches(self) -> int:
        """Images with any code that differs."""
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
    debug: Debug = DEBUG,
    memory: str = NEAR.name,
    on_progress: Progress = lambda stage, done, cycles: None,
    on_image: Callable[[int, Comparison], None] = lambda index, image: None,
) -> Simulation:
    """Run ``count`` images on the Verilog of a built folder.

    Parameters
    ----------
    debug
        what is compared and kept beside the outputs.
    memory
        which one, of :data:`flows.boards.memory_port.MEMORIES`.
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
    if debug.trace:
        on_progress("mapping with a store of every tensor", 0, 0)
        built = built.traced()
    board, spec = built.board, built.mapped.spec
    timing = board.memory.named(memory, board.clock_mhz, spec.axi_bytes)
    source = built.graph.tensors[built.graph.input]
    images = read_inputs(inputs, source, count)
    on_progress("integer graph", 0, 0)
    expected = built.golden(images.codes)
    on_progress("building the simulator", 0, 0)
    try:
        system = build_system(
            built.verilog,
            data_width=spec.axi_width,
            memory_bytes=max(memory_layout(built.mapped).end, USUAL_MEMORY_BYTES),
            cache=cache,
            # A run with a waveform is short, so a quick build is worth more than a quick run.
            optimise=debug.waves is None,
            waves=debug.kind,
        )
    except (BuildFailed, Missing) as error:
        raise UserError(str(error)) from None
    except OSError as error:
        raise UserError(f"cannot write to {cache}: {error.strerror or error}") from None
    done: list[Comparison] = []

    def finished(index: int, run: Finished) -> None:
        done.append(_compare(built, images, index, expected[index], run, debug))
        on_image(index, done[-1])

    def progress(index: int, cycles: int) -> None:
        on_progress("simulating", index, cycles)

    lost = _run(system, built, images, debug, timing, progress, finished, folder)
    return Simulation(
        built=built, inputs=images, images=tuple(done), debug=debug, memory=timing, waves_lost=lost
    )


def _run(
    system: System,
    built: Built,
    images: Inputs,
    debug: Debug,
    memory: MemoryTiming,
    on_progress: Callable[[int, int], None],
    on_finished: Callable[[int, Finished], None],
    logs: Path,
) -> str | None:
    """Run all images in one simulator process, in a folder that is gone afterwards.

    Gives the reason why a waveform that was asked for could not be kept.

    The log of a simulation that fails is kept in the folder ``logs``, and its waveform, if any.
    """
    conditions = IDEAL if debug.seed is None else replace(RESTLESS, seed=debug.seed)
    conditions = replace(conditions, memory=memory)
    runs = [
        image_run(built.mapped, image, number=number, conditions=conditions)
        for number, image in enumerate(images.codes)
    ]
    place = ""
    try:
        temporary = Path(tempfile.gettempdir())
        with scratch_folder(temporary, "rowmac-simulation-") as work:
            place = f" {temporary}"
            try:
                system.simulate(
                    runs,
                    work,
                    on_progress=on_progress,
                    on_finished=on_finished,
                    seed=debug.seed or 1,
                    waves=debug.waves is not None,
                )
            except (SimulationFailed, MachineError) as error:
                text = with_kept_log(str(error), work, [logs])
                # What led to a failure is what a waveform is wanted for.
                lost = _keep_waves(work, debug)
                raise RunError(text if lost is None else f"{text}; {lost}") from None
            except BaseException:
                _keep_waves(work, debug)
                raise
            return _keep_waves(work, debug)
    except BrokenPipeError:
        raise  # nobody reads what is told of the progress
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write to the temporary folder{place}: {reason}") from None


def _keep_waves(work: Path, debug: Debug) -> str | None:
    """Move the waveform, if there is one, to where it is wanted; or say why that failed."""
    dump = work / f"dump.{debug.kind}"
    if debug.waves is None or not dump.exists():
        return None
    try:
        with output_file(debug.waves) as scratch:
            shutil.move(dump, scratch)
    except (UserError, OSError) as error:
        return str(error)
    return None


def _compare(
    built: Built, inputs: Inputs, index: int, expected: Integers, run: Finished, debug: Debug
) -> Comparison:
    codes = inputs.codes[index]
    result = image_result(built.mapped, run, codes)
    machine, trace = golden_run(built.mapped, codes, number=index)
    difference = None
    if debug.trace:
        tensors = tensors_of(built, codes, index)
        difference = first_difference(built.mapped, index, result, trace, tensors)
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
        difference=difference,
    )
