"""A network file on the machine around a macro: its layers' cycles, and conversions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from flows.boards.board import Board
from flows.cim.k_order import machine_walks
from flows.cim.macro_machine import check_slices
from flows.cim.macro_matmul import make_layer
from flows.errors import UserError
from flows.estimate.cycles.cycles import estimate_cycles
from flows.estimate.cycles.graph_layers import graph_layers
from flows.estimate.cycles.macro_cycles import MacroLayerCycles, macro_cycles
from flows.estimate.machine_points import Points
from flows.machine.around_macro import MacroOptions, macro_machine
from flows.onnx_import import NetworkError, load_network
from models.cim.choice import MacroChoice
from models.machine.spec import MachineSpec
from models.ops.convolution import Convolution

__all__ = ["MacroEstimate", "estimate_macro"]


@dataclass(frozen=True, kw_only=True)
class MacroEstimate:
    """Estimate of a network; nothing is said of resources.

    Attributes
    ----------
    spec, macro : the machine, and what it is around
    layers : those that take any time
    macs : multiply-accumulates of an image
    """

    spec: MachineSpec
    macro: MacroChoice
    layers: tuple[MacroLayerCycles, ...]
    macs: int

    @property
    def cycles(self) -> int:
        """Cycles of an image."""
        return sum(layer.cycles for layer in self.layers)

    @property
    def conversions(self) -> int:
        """Conversions of an image in all columns together."""
        return sum(layer.conversions for layer in self.layers) * self.macro.columns

    def fps(self, clock_mhz: float) -> float:
        """Images a second of the emulation."""
        return clock_mhz * 1e6 / self.cycles

    def gops(self, clock_mhz: float) -> float:
        """Operations a second of the emulation, in 10**9; two a multiply-accumulate."""
        return 2 * self.macs * clock_mhz / self.cycles / 1e3


def estimate_macro(
    network: Path,
    board: Board,
    preset: str,
    adc_bits: int = 0,
    machine: MachineSpec | None = None,
) -> MacroEstimate:
    """Estimate.

    Parameters
    ----------
    network : ONNX file
    adc_bits : 0 for the preset's
    machine : one around the preset's macro, by default the one that the network gets

    Raises
    ------
    UserError
        If the file is no network that can be imported, there is no such machine, its cycles depend
        on images, or the network does not fit it.
    """
    try:
        graph = load_network(network)
    except NetworkError as error:
        raise UserError(str(error)) from None
    engine = MacroOptions(preset=preset, calibration=Path(), adc_bits=adc_bits)
    spec = machine or macro_machine(board, graph, engine)
    check_slices(graph, spec)
    macro = spec.macro
    assert macro is not None
    if macro.spec.zero_skip:
        raise UserError(
            f"--engine must be one whose cycles do not depend on images, such as "
            f"cim:{preset}:unskipped (an upper bound), not cim:{preset}"
        )
    # A macro takes all channels of a tap at once, those of other groups with weights of zero.
    layers = [replace(layer, groups=1) for layer in graph_layers(graph)]
    beside = Points.of([replace(spec, macro=None, rows=spec.dynamic_rows)], board.family)
    if lacks := estimate_cycles(beside, layers, whole=True).lacking(0, network.stem):
        raise UserError(lacks)
    walks = machine_walks(graph, spec)
    operators = {n.name: n.operator for n in graph.nodes if isinstance(n.operator, Convolution)}
    relu = [
        name in operators and make_layer(name, operators[name], macro.spec, walks[name]).spec.relu
        for name in (layer.name for layer in layers)
    ]
    found = macro_cycles(spec, layers, relu)
    return MacroEstimate(
        spec=spec,
        macro=macro,
        layers=tuple(one for one in found if one.cycles),
        macs=sum(layer.macs for layer in layers),
    )
