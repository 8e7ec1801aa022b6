"""Builds a network's folder: machine, board project, program, memory image, manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.boards import Board, find
from flows.boards.project import BUILD_COMMAND
from flows.boards.project import FILES as PROJECT
from flows.errors import UserError
from flows.estimate.resources.device_cost import device_cost
from flows.machine.around_macro import MacroOptions, macro_machine
from flows.machine.fit_board import fitted_machine
from flows.machine.machine_file import LEAST_MHZ, MOST_MHZ
from flows.machine.needs import Needs, graph_needs
from flows.mapper import MappedNetwork, MappingError, map_network
from flows.onnx_import import NetworkError, import_network
from flows.onnx_import.reader import read_network, self_contained
from flows.out_folder.emitted import check_emitted, emitted
from flows.out_folder.memory_layout import check_memory, memory_layout
from flows.work.atomic import (
    FACTS_OF_A_FOLDER,
    MANIFEST,
    output_folder,
    read_manifest,
    write_manifest,
)
from flows.work.files import check_readable
from flows.work.inputs import read_inputs
from flows.work.version import version
from models.machine.spec import MachineSpec
from models.network.graph import IntegerGraph, run_graph
from models.numerics.rescale import Integers

if TYPE_CHECKING:
    from flows.cim.macro_network import MacroNetwork

__all__ = ["Built", "build", "load_built"]

NETWORK = "network.onnx"
IMAGE = "memory.bin"
MACRO = "macro.json"
MACHINE = "rowmac.v"
FILES = {NETWORK, IMAGE, *PROJECT}
"""Names of all files of a built folder but the manifest; with a macro there is one more."""
CALIBRATION_IMAGES = 32
"""As many of the images given as ADC windows are chosen on."""
WINDOWS = ("program", "input", "output", "work")
Choice = Callable[[Needs], MachineSpec]
"""Chooses a machine for a network."""


@dataclass(frozen=True, kw_only=True)
class Built:
    """What :func:`build` has put into a folder, ready to run.

    Attributes
    ----------
    verilog
        text of the machine.
    macro
        the network on the machine's macro, where it has one.
    """

    manifest: dict[str, Any]
    board: Board
    graph: IntegerGraph
    mapped: MappedNetwork
    verilog: str
    macro: MacroNetwork | None = None

    def golden(self, codes: Integers) -> Integers:
        """Output codes of images ``[n, *shape]``, the runs of which are numbered from 0."""
        return run_graph(self.graph, codes) if self.macro is None else self.macro.run(codes)

    def traced(self) -> Built:
        """The same, mapped anew with a store of every tensor to window 3.

        Raises
        ------
        UserError
            if there is no room for that.
        """
        spec = self.mapped.spec
        mapped = _map(Path(NETWORK), self.graph, spec, self.macro, trace=True)
        return replace(self, mapped=mapped)


def build(
    network: Path,
    board: Board,
    output: Path,
    machine: MachineSpec | Choice | None = None,
    engine: MacroOptions | None = None,
) -> dict[str, Any]:
    """Build for a board; returns the manifest.

    Parameters
    ----------
    machine : MachineSpec, optional
        The machine, or what chooses it when told what the network needs; by default the board's,
        with larger memories where the network needs them. Its bus must be as wide as the board's.
    engine : MacroOptions, optional
        A macro for layers with static weights, instead of the digital array; the machine's, where
        one is given.

    Raises
    ------
    UserError
        if the file is no network that can be imported, does not fit the machine, or the output
        folder cannot be made.
    """
    check_readable(network)
    graph, shape = _graph(network)
    with output_folder(output) as folder:
        # Read where the user has it, data in files beside it included; kept as one file.
        (folder / NETWORK).write_bytes(_content(network))
        macro = None
        if engine is None:
            if machine is None or callable(machine):
                choose = machine or partial(_board_machine, board)
                machine = choose(graph_needs(str(network), graph))
            spec = machine
            _check_port(spec, board)
        else:
            given = None if machine is None or callable(machine) else machine
            spec, macro = _on_macro(graph, board, engine, given)
            (folder / MACRO).write_text(json.dumps(_facts(macro), indent=1) + "\n")
        mapped = _map(network, graph, spec, macro)
        check_memory(mapped, board, str(network))
        for name, text in emitted(board, spec).items():
            (folder / name).write_text(text)
        (folder / IMAGE).write_bytes(mapped.image.tobytes())
        write_manifest(folder, _manifest(network.stem, board, spec, graph, mapped, shape))
    return read_manifest(output)


def load_built(folder: Path, on_emit: Callable[[], None] = lambda: None) -> Built:
    """Read a folder that :func:`build` made; every file must be as it was made.

    It may be somebody else's: what follows from other files, from the board or from the machine is
    made again and compared; ``on_emit`` is told where that takes seconds.

    Raises
    ------
    UserError
        if the folder is none of ours, or something in it was changed; where another version has
        made it, both versions are in the text.
    """
    manifest = read_manifest(folder)
    try:
        return _load(folder, manifest, on_emit)
    except UserError as error:
        made, here = str(manifest.get("version")), version()
        if made == here:
            raise
        raise UserError(f"{error} (made by rowmac {made}, this is {here})") from None


def _load(folder: Path, manifest: dict[str, Any], on_emit: Callable[[], None]) -> Built:
    if manifest["files"].keys() - {MACRO} != FILES:
        raise _changed(folder / MANIFEST)
    for name, digest in manifest["files"].items():
        if hashlib.sha256(_read(folder / name)).hexdigest() != digest:
            raise _changed(folder / name)
    try:
        title = str(manifest["network"]["name"])
        board = _clocked(manifest["board"])
        spec = MachineSpec(**manifest["machine"]["spec"])
    except (LookupError, TypeError, ValueError, AttributeError):
        raise _changed(folder / MANIFEST) from None
    if (spec.macro is None) == (MACRO in manifest["files"]):
        raise _changed(folder / MANIFEST)
    graph, shape = _graph(folder / NETWORK)
    macro = None if spec.macro is None else _read_macro(folder / MACRO, graph, spec)
    mapped = _map(folder / NETWORK, graph, spec, macro)
    if mapped.image.tobytes() != (folder / IMAGE).read_bytes():
        raise UserError(
            f"{folder / IMAGE} must be what the network maps to, which another version of rowmac "
            "did differently; build the folder again"
        )
    # All else in it follows from the files, the board and the machine.
    if _comparable(manifest) != _comparable(_manifest(title, board, spec, graph, mapped, shape)):
        raise _changed(folder / MANIFEST)
    check_emitted(folder, manifest["files"], board, spec, on_emit)
    return Built(
        manifest=manifest,
        board=board,
        graph=graph,
        mapped=mapped,
        verilog=(folder / MACHINE).read_text(),
        macro=macro,
    )


def _clocked(facts: dict[str, Any]) -> Board:
    """The board, with the clock that its folder was built for."""
    clock = facts["clock_mhz"]
    if type(clock) not in (float, int) or not LEAST_MHZ <= clock < MOST_MHZ:
        raise ValueError(f"clock must be a number of MHz, not {clock!r}")
    return replace(find(facts["name"]), clock_mhz=clock)


def _comparable(manifest: dict[str, Any]) -> str:
    """What a manifest says about network, board and machine."""
    apart = {*FACTS_OF_A_FOLDER, "version"}
    return json.dumps({k: v for k, v in manifest.items() if k not in apart}, sort_keys=True)


def _changed(path: Path) -> UserError:
    return UserError(f"{path} must be as it was built; build the folder again")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None


def _board_machine(board: Board, needs: Needs) -> MachineSpec:
    return fitted_machine(board, needs, device_cost).spec


def _graph(path: Path) -> tuple[IntegerGraph, tuple[int, ...]]:
    try:
        network = read_network(path)
        return import_network(network), network.input_shape
    except NetworkError as error:
        raise UserError(f"{path}: {error}") from None


def _content(path: Path) -> bytes:
    try:
        return self_contained(path)
    except NetworkError as error:
        raise UserError(f"{path}: {error}") from None


def _map(
    name: Path,
    graph: IntegerGraph,
    spec: MachineSpec,
    macro: MacroNetwork | None,
    *,
    trace: bool = False,
) -> MappedNetwork:
    layers = None
    if macro is not None:
        from flows.cim.macro_machine import machine_layers

        layers = machine_layers(macro, spec)
    try:
        return map_network(graph, spec, trace=trace, macro=layers)
    except MappingError as error:
        raise UserError(f"{name}: {error}") from None


def _on_macro(
    graph: IntegerGraph, board: Board, engine: MacroOptions, given: MachineSpec | None
) -> tuple[MachineSpec, MacroNetwork]:
    from flows.cim.macro_machine import check_slices, on_machine

    spec = given or macro_machine(board, graph, engine)
    _check_port(spec, board)
    check_slices(graph, spec)
    seen = read_inputs(engine.calibration, graph.tensors[graph.input]).codes[:CALIBRATION_IMAGES]
    if not len(seen):
        raise UserError(f"{engine.calibration} must have at least one image")
    network = on_machine(graph, spec, seen, rule=engine.rule, recalibrate=engine.recalibrate)
    return spec, network


def _check_port(spec: MachineSpec, board: Board) -> None:
    if spec.axi_width != board.data_width:
        raise UserError(
            f"axi_width must be {board.data_width}, the memory port of {board.name}, "
            f"not {spec.axi_width}"
        )


def _facts(network: MacroNetwork) -> dict[str, Any]:
    from flows.cim.macro_machine import as_facts

    return as_facts(network)


def _read_macro(path: Path, graph: IntegerGraph, spec: MachineSpec) -> MacroNetwork:
    from flows.cim.macro_machine import from_facts

    try:
        return from_facts(graph, spec, json.loads(path.read_text()))
    except (LookupError, TypeError, ValueError, AttributeError):
        raise _changed(path) from None


def _manifest(
    name: str,
    board: Board,
    spec: MachineSpec,
    graph: IntegerGraph,
    mapped: MappedNetwork,
    shape: tuple[int, ...],
) -> dict[str, Any]:
    layout = memory_layout(mapped)
    source, result = graph.tensors[graph.input], graph.tensors[graph.output]
    return {
        "version": version(),
        "network": {
            "name": name,
            "input": {
                "shape": shape,
                "type": source.host,
                "scale": source.scale,
                "zero_point": source.zero_point,
            },
            "output": {
                "shape": result.shape,
                "type": result.host,
                "scale": result.scale,
                "zero_point": result.zero_point,
            },
            "macs": sum(layer.macs for layer in mapped.layers),
        },
        "board": board.facts(),
        "machine": {
            "spec": asdict(spec),
            "macs_per_cycle": spec.macs_per_cycle,
            "scratchpad_bytes": spec.scratchpad_words * spec.word_bytes,
        },
        "program": {
            "descriptors": mapped.descriptors,
            "image_bytes": len(mapped.image),
            "scratchpad_words_used": mapped.peak_words,
            "row_use": mapped.row_use,
        },
        "windows": {
            name: {"address": f"{board.memory_base + base:#010x}", "bytes": size}
            for name, base, size in zip(WINDOWS, layout.bases, layout.sizes, strict=True)
        },
        "bitstream_command": BUILD_COMMAND,
    }
