"""Builds a simulator from Verilog once, and runs cocotb test modules on it.

A simulator is kept under a name made of its sources, options and tools, so that an unchanged design
is never built twice. Verilator's warnings are errors here: what cannot be avoided is waived one
rule and one kind of file at a time, with the reason, in ``sim/verilog/waivers.vlt``.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

from sim import verilator
from sim.process import Command, CommandFailed
from sim.scratch import scratch_folder
from sim.store import alone, keep

__all__ = ["BuildFailed", "Design", "Outcome", "SimulationFailed", "Simulator", "build"]

VERILOG = Path(__file__).parent / "verilog"
WAIVERS = VERILOG / "waivers.vlt"
LOG = "simulation.log"
"""What a simulator has said, in the folder where it was run."""
RANDOM_START = "+verilator+rand+reset+2"
RUNTIME_OBJECTS = ("verilated.o", "verilated_vpi.o", "verilated_threads.o")
RUNTIME_HEADERS = tuple(f"{verilator.HEADER}.{kind}.gch" for kind in ("fast", "slow"))
"""Precompiled for simulators without waveforms; 90 MB each, kept once."""


class BuildFailed(RuntimeError):
    """Verilator or the C++ compiler refused a design; the text holds what they said."""


class SimulationFailed(RuntimeError):
    """A test failed, or the simulator ended without a result; the text holds the reason."""


@dataclass(frozen=True, kw_only=True)
class Design:
    """What a simulator is built from.

    Attributes
    ----------
    top
        name of the top module, the one cocotb sees.
    sources
        hand-written Verilog and Verilator control (.vlt) files.
    generated
        text of generated Verilog by file name without suffix; the rules waived for such files
        are in ``waivers.vlt``.
    parameters
        values of the top module's parameters.
    options
        further options of Verilator.
    optimise
        compile for long runs instead of for a quick build.
    waves
        kind of the waveform that it can write (``dump.vcd`` or ``dump.fst``), if any; slower.
    """

    top: str
    sources: tuple[Path, ...] = ()
    generated: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, int | str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    optimise: bool = False
    waves: Literal["vcd", "fst"] | None = None

    def digest(self) -> str:
        """Name of the simulator: a hash of everything that decides what it does."""
        facts = [
            verilator.fingerprint(),
            self.top,
            sorted((name, str(value)) for name, value in self.parameters.items()),
            list(self.options),
            [self.optimise, self.waves or False],
            [(path.name, _digest(path.read_bytes())) for path in (*self.sources, WAIVERS)],
            [(name, _digest(text.encode())) for name, text in sorted(self.generated.items())],
        ]
        return _digest(json.dumps(facts).encode())


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One passed cocotb test: its name, simulated time in ns, and real time in seconds."""

    name: str
    simulated_ns: float
    seconds: float


@dataclass(frozen=True)
class Simulator:
    """A built simulator: its folder and the name of its top module."""

    folder: Path
    top: str

    def run(
        self,
        module: str,
        work: Path,
        *,
        tests: Sequence[str] = (),
        seed: int = 1,
        plusargs: Mapping[str, str] | None = None,
        on_tick: Callable[[], None] | None = None,
        waves: bool = False,
        random_memories: bool = False,
    ) -> list[Outcome]:
        """Run the cocotb tests of a Python module in the folder ``work`` (made if absent).

        Parameters
        ----------
        module
            dotted name of the module with the tests.
        tests
            names of the tests to run; all of the module's if empty.
        seed
            of cocotb's random generator.
        plusargs
            values the bench reads from ``cocotb.plusargs``.
        waves
            write a waveform of everything to ``work``, named as in :class:`Design`.
        random_memories
            what has no initial value begins with random bits, of the seed (1 or more), instead of
            zeros.
        on_tick
            called about twenty times a second while the simulator runs. What it raises, and
            Ctrl-C, end the simulator.

        Raises
        ------
        SimulationFailed
            with the failing assertion's text, the seed and the place of the log.
        """
        work.mkdir(parents=True, exist_ok=True)
        results, log = work.absolute() / "results.xml", work.absolute() / LOG
        with log.open("wb") as stream:
            command = Command(stream, on_tick)
            try:
                command.run_tests(
                    test_module=module,
                    hdl_toplevel=self.top,
                    hdl_toplevel_lang="verilog",
                    build_dir=self.folder,
                    test_dir=work,
                    test_filter=rf"\.({'|'.join(map(re.escape, tests))})$" if tests else None,
                    seed=seed,
                    plusargs=[
                        *(f"+{name}={value}" for name, value in (plusargs or {}).items()),
                        *((RANDOM_START, f"+verilator+seed+{seed}") if random_memories else ()),
                    ],
                    results_xml=str(results),
                    waves=waves,
                )
            except CommandFailed as error:
                if not results.exists():
                    raise SimulationFailed(
                        f"the simulator left no result but status {error.status} (seed {seed}); "
                        f"the end of {log}:\n{_tail(log)}"
                    ) from None
        return _outcomes(results, seed, log)


def build(design: Design, cache: Path) -> Simulator:
    """The simulator of a design, from ``cache`` if it was built before.

    The folder in the cache appears complete or not at all. Of several processes that want the same
    simulator, one builds it and the others wait.

    Raises
    ------
    BuildFailed
        with Verilator's or the compiler's messages.
    verilator.Missing
        if something is not installed.
    """
    if design.waves == "fst":
        verilator.check_fst()
    cache = cache.absolute()
    if any(character.isspace() for character in str(cache)):
        raise BuildFailed(f"simulator folder must be a path without blanks, not {str(cache)!r}")
    final = cache / f"{design.top}-{design.digest()}"
    if not final.exists():
        with alone(final):
            if not final.exists():
                _make(design, final)
    return Simulator(final, design.top)


def _make(design: Design, final: Path) -> None:
    shared = _digest(verilator.fingerprint().encode())
    parts: dict[Path, tuple[str, ...]] = {final.parent / f"runtime-{shared}": RUNTIME_OBJECTS}
    if design.waves:
        parts[final.parent / f"{design.waves}-{shared}"] = (f"verilated_{design.waves}_c.o",)
    else:
        parts[final.parent / f"headers-{shared}"] = RUNTIME_HEADERS
    with scratch_folder(final.parent, "compiling-") as scratch:
        _compile(design, scratch, parts)
        for folder, names in parts.items():
            if all((scratch / name).exists() for name in names):
                keep(scratch, names, folder)
        keep(scratch, (design.top, "build.log"), final)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:24]


def _compile(design: Design, folder: Path, parts: Mapping[Path, Sequence[str]]) -> None:
    def reuse_runtime() -> None:
        # Saves twenty seconds of every build but the first.
        for suffix in ("", ".fast", ".slow"):
            header = folder / f"{verilator.HEADER}{suffix}"
            header.write_text(verilator.HEADER_TEXT)
            # What was precompiled before is newer for make, which must not write into it.
            os.utime(header, (0, 0))
        if design.waves:
            # Few simulators: not worth it. The compiler passes over empty ones.
            for name in RUNTIME_HEADERS:
                (folder / name).touch()
        for kept, names in parts.items():
            if kept.exists():
                for name in names:
                    if name in RUNTIME_HEADERS:
                        with suppress(OSError):
                            os.link(kept / name, folder / name)
                            continue
                    shutil.copyfile(kept / name, folder / name)

    generated = []
    (folder / "generated").mkdir()
    for name, text in sorted(design.generated.items()):
        generated.append(folder / "generated" / f"{name}.v")
        generated[-1].write_text(text)
    log = folder / "build.log"
    with log.open("wb") as stream:
        command = Command(
            stream,
            optimise=design.optimise,
            before_make=reuse_runtime,
            fst=design.waves == "fst",
        )
        try:
            command.build(
                sources=[WAIVERS, *generated, *design.sources],
                hdl_toplevel=design.top,
                parameters=design.parameters,
                build_args=["-Wall", *design.options],
                build_dir=folder,
                timescale=("1ns", "1ps"),
                waves=design.waves is not None,
            )
        except CommandFailed as error:
            said = _messages(log) or _tail(log)
            raise BuildFailed(f"{error.program} refused {design.top}:\n{said}") from None


def _outcomes(results: Path, seed: int, log: Path) -> list[Outcome]:
    if not results.exists():
        raise SimulationFailed(
            f"the simulator left no result (seed {seed}); the end of {log}:\n{_tail(log)}"
        )
    outcomes = []
    try:
        cases = list(ElementTree.parse(results).getroot().iter("testcase"))
    except ElementTree.ParseError:
        raise SimulationFailed(
            f"the simulator left a broken {results.name} (seed {seed}), perhaps on a full disk"
        ) from None
    for case in cases:
        name = case.get("name", "?")
        for problem in (*case.findall("failure"), *case.findall("error")):
            said = problem.get("message") or (problem.text or "").strip() or "no message"
            raise SimulationFailed(f"{name} failed (seed {seed}, log {log}): {said}")
        properties = {item.get("name"): item.get("value") for item in case.iter("property")}
        outcomes.append(
            Outcome(
                name=name,
                simulated_ns=float(properties.get("sim_time_duration") or 0),
                seconds=float(case.get("time") or 0),
            )
        )
    if not outcomes:
        raise SimulationFailed(f"no test was run (seed {seed}); the end of {log}:\n{_tail(log)}")
    return outcomes


def _messages(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return "\n".join(line for line in lines if line.startswith(("%Error", "%Warning")))


def _tail(log: Path, lines: int = 20) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
