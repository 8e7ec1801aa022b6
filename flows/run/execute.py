"""Runs a mapped network in the simulator, and on the golden machine beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flows.mapper import MappedNetwork
from flows.out_folder.memory_layout import memory_layout
from flows.run.stored import stored_bytes
from models.golden.machine import GoldenMachine
from models.machine.spec import MachineSpec
from models.machine.units import UNIT_NAMES, UNITS
from models.numerics.rescale import Integers
from models.program.registers import (
    CONTROL_START,
    CONTROL_UNIT,
    STATUS_ERROR,
    WATCHDOG_DEFAULT,
    ErrorCode,
    Register,
    busy_register,
    stall_register,
    window_register,
)

if TYPE_CHECKING:
    from sim.conditions import Conditions
    from sim.system import Finished, Run, System


class MachineError(RuntimeError):
    """The machine stopped with an error code."""


@dataclass(frozen=True, kw_only=True)
class ImageResult:
    """What one image's run has given.

    Attributes
    ----------
    output : codes of the output tensor
    trace : codes of every stored tensor, by name
    busy, stall : cycles of each unit, by name
    """

    output: Integers
    trace: dict[str, Integers]
    cycles: int
    cpu_seconds: float
    busy: dict[str, int]
    stall: dict[str, int]
    events: NDArray[np.void] = field(repr=False)


def golden_run(
    network: MappedNetwork,
    codes: Integers,
    machine: GoldenMachine | None = None,
    number: int = 0,
) -> tuple[Integers, dict[str, Integers]]:
    """Output and traced tensors of one image on the golden machine; ``number`` is the run's."""
    output = np.zeros(network.output.size_bytes, dtype=np.uint8)
    trace = np.zeros(network.work_bytes, dtype=np.uint8)
    windows = [network.image, network.input.pack(codes), output, trace]
    machine = machine or GoldenMachine(network.spec, windows)
    machine.state.windows[:] = windows
    machine.state.run = number
    machine.run()
    return network.output.unpack(output), _traced(network, trace)


def _traced(network: MappedNetwork, trace: NDArray[np.uint8]) -> dict[str, Integers]:
    return {
        name: layout.unpack(trace[offset : offset + layout.size_bytes])
        for name, (offset, layout) in network.trace.items()
    }


def image_run(
    network: MappedNetwork,
    codes: Integers,
    *,
    conditions: Conditions | None = None,
    reset: bool = False,
    max_cycles: int = 100_000_000,
    watchdog: int = WATCHDOG_DEFAULT,
    number: int = 0,
) -> Run:
    """The host's work for one image: load memory, set windows, start, read counters.

    ``number`` is the run's, for the noise of a macro.
    """
    from sim.conditions import IDEAL
    from sim.system import Load, Run

    layout = memory_layout(network)
    memory = memory_before(network, codes)
    # All of the memory is laid anew, so that whatever is written where it should not be shows.
    loads = [Load(address=0, data=memory.tobytes())]
    writes = [(int(Register.INTERRUPT_ENABLE), 1), (int(Register.PROGRAM), 0)]
    writes += [(int(Register.WATCHDOG), watchdog), (int(Register.RUN), number)]
    for window, (base, length) in enumerate(zip(layout.bases, layout.sizes, strict=True)):
        writes += [(window_register(window), base), (window_register(window) + 4, length)]
    writes.append((int(Register.CONTROL), CONTROL_START))
    registers = [int(Register.STATUS), int(Register.ERROR), int(Register.CYCLES_LOW)]
    registers += [busy_register(u) for u in range(UNITS)]
    registers += [stall_register(u) for u in range(UNITS)]
    return Run(
        reset=reset,
        loads=tuple(loads),
        conditions=conditions or IDEAL,
        writes=tuple(writes),
        max_cycles=max_cycles,
        registers=tuple(registers),
        after=((int(Register.INTERRUPT_CLEAR), 1),),
        dumps=((0, len(memory)),),
    )


def image_result(network: MappedNetwork, run: Finished, codes: Integers) -> ImageResult:
    """Check the run of an image and unpack what it has left.

    Raises
    ------
    MachineError
        If the machine reports an error, or wrote memory that no store of the program names: outside
        of the output and the work window, or between the words of a tensor there.
    """
    registers = run.registers
    if registers[Register.STATUS] & STATUS_ERROR:
        raise MachineError(describe_error(registers[Register.ERROR], network))
    layout = memory_layout(network)
    memory = np.frombuffer(run.memory[0], dtype=np.uint8)
    changed = memory != memory_before(network, codes)
    parts = []
    for window in (2, 3):
        base, size = layout.bases[window], layout.sizes[window]
        changed[base : base + size] &= ~stored_bytes(network, window, size)
        parts.append(memory[base : base + size])
    wrong = np.flatnonzero(changed)
    if len(wrong):
        raise MachineError(
            f"memory that no store of the program names must stay untouched, not written at "
            f"{int(wrong[0]):#x}"
        )
    return ImageResult(
        output=network.output.unpack(parts[0]),
        trace=_traced(network, parts[1]),
        cycles=registers[Register.CYCLES_LOW],
        cpu_seconds=run.cpu_seconds,
        busy={n: registers[busy_register(u)] for u, n in enumerate(UNIT_NAMES)},
        stall={n: registers[stall_register(u)] for u, n in enumerate(UNIT_NAMES)},
        events=run.events,
    )


def describe_error(register: int, network: MappedNetwork) -> str:
    """One line for people of an error register."""
    code, unit, tag = register & 0xFF, register >> 8 & 0xFF, register >> 16
    name = ErrorCode(code).name if code in set(ErrorCode) else f"code {code}"
    where = "the control part" if unit == CONTROL_UNIT else f"the {UNIT_NAMES[unit]} unit"
    layer = next((x.name for x in network.layers if x.tag == tag), None)
    at = f" in layer {layer!r}" if unit != CONTROL_UNIT and layer else ""
    return f"machine stopped with {name} from {where}{at} (error register {register:#010x})"


def run_images(
    system: System,
    network: MappedNetwork,
    codes: Sequence[Integers] | Integers,
    work: Path,
    *,
    conditions: Conditions | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    on_image: Callable[[int, ImageResult], None] | None = None,
) -> list[ImageResult]:
    """Run images one after the other on the simulated machine.

    Parameters
    ----------
    codes : int array [n, *input shape]
    work : folder for the simulator's files
    on_progress : called with (image, cycles so far)
    on_image : called with (image, result)

    Raises
    ------
    MachineError
        See :func:`image_result`.
    """
    runs = [
        image_run(network, image, conditions=conditions, number=number)
        for number, image in enumerate(codes)
    ]
    results: list[ImageResult] = []

    def finished(index: int, run: Finished) -> None:
        results.append(image_result(network, run, codes[index]))
        if on_image:
            on_image(index, results[-1])

    system.simulate(runs, work, on_progress=on_progress, on_finished=finished)
    return results


def build_simulator(
    spec: MachineSpec,
    memory_bytes: int,
    cache: Path,
    *,
    optimise: bool = True,
    family: str = "generic",
    options: tuple[str, ...] = (),
) -> System:
    """The machine's simulator, built unless ``cache`` holds it; its Verilog is kept as well.

    ``options`` are further ones of Verilator.
    """
    from flows.work.kept_verilog import machine_verilog
    from sim.system import build_system

    return build_system(
        machine_verilog(spec, family),
        data_width=spec.axi_width,
        memory_bytes=memory_bytes,
        cache=cache,
        optimise=optimise,
        options=options,
    )


def memory_before(network: MappedNetwork, codes: Integers) -> NDArray[np.uint8]:
    """All of the memory before an image's run: program, input, and a pattern everywhere else."""
    layout = memory_layout(network)
    memory = (np.arange(layout.end) * 151 + 7).astype(np.uint8)
    for window, data in ((0, network.image), (1, network.input.pack(codes))):
        memory[layout.bases[window] : layout.bases[window] + len(data)] = data
    return memory
