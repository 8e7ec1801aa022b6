"""What ``rowmac estimate`` says of a machine around a macro: cycles; its cost is not modelled."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from models.ops.convolution import Convolution

from ..boards import Board
from ..cim.layers import make_layer
from ..cim.walk import machine_walks
from ..engines import MacroOptions, macro_machine
from ..errors import UserError
from ..estimate.graph_layers import graph_layers
from ..estimate.macro_cycles import macro_cycles
from ..onnx_import import NetworkError, load_network
from .estimate import SPEC_FIELDS
from .table import table

__all__ = ["show_macro"]


def show_macro(options: argparse.Namespace, board: Board, preset: str) -> dict[str, Any]:
    """Estimate and print; returns the same as data.

    Raises
    ------
    UserError
        If the network is no file, there is no such machine, or something is asked for that only
        digital machines have.
    """
    given = [n for n in ("rows", *SPEC_FIELDS) if getattr(options, n) is not None]
    given += [n for n in ("synthesise", "vivado", "bandwidth") if getattr(options, n)]
    if given:
        name = given[0].replace("_", "-")
        raise UserError(f"--{name} must be of a machine with --engine digital")
    if options.network is None or not str(options.network).endswith(".onnx"):
        raise UserError("--engine cim:PRESET must come with --network FILE.onnx")
    try:
        graph = load_network(Path(options.network))
    except NetworkError as error:
        raise UserError(str(error)) from None
    engine = MacroOptions(preset=preset, calibration=Path(), adc_bits=options.adc_bits)
    spec = macro_machine(board, graph, engine)
    assert spec.macro is not None
    cim = spec.macro.spec
    walks = machine_walks(graph, spec)
    layers = graph_layers(graph)
    operators = {n.name: n.operator for n in graph.nodes if isinstance(n.operator, Convolution)}

    def ends_early(name: str) -> bool:
        if name not in operators:
            return False
        return make_layer(name, operators[name], cim, walks[name]).spec.relu

    relu = [ends_early(layer.name) for layer in layers]
    found = [one for one in macro_cycles(spec, layers, relu) if one.cycles]
    cycles = sum(one.cycles for one in found)
    clock = options.clock or board.clock_mhz
    macs = sum(layer.macs for layer in layers)
    result: dict[str, Any] = {
        "board": board.name,
        "macro": asdict(spec.macro),
        "macs_per_cycle": spec.macs_per_cycle,
        "assumed_clock_mhz": clock,
        "network": {
            "name": Path(options.network).stem,
            "macs": macs,
            "cycles": cycles,
            "frames_per_second": clock * 1e6 / cycles,
            "gops": 2 * macs * clock / cycles / 1e3,
            "conversions": sum(one.conversions for one in found) * spec.macro.columns,
            "layers": [asdict(one) for one in found],
        },
    }
    if not options.json:
        _print(result)
    return result


def _print(result: dict[str, Any]) -> None:
    network, macro = result["network"], result["macro"]
    print(
        f"{network['name']} on {macro['columns']} columns of {macro['preset']}: "
        f"{network['cycles']:,} cycles an image (estimate: docs/guides/estimate.md)"
    )
    print(
        f"  {network['frames_per_second']:,.1f} images a second and {network['gops']:,.1f} GOPS of "
        f"the emulation at an assumed {result['assumed_clock_mhz']:g} MHz: no place-and-route was "
        "run, and a macro of silicon has a speed of its own"
    )
    print(f"  {network['conversions']:,} conversions an image; LUTs of the twin are not modelled")
    rows = [(o["name"], o["cycles"], o["conversions"], o["bound"]) for o in network["layers"]]
    print(table(("layer", "cycles", "conversions a column", "bound by"), rows))
