"""Which matrix engine a machine is built with: the digital array, or a macro and its die."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

from flows.boards import Board
from flows.errors import UserError
from models.cim.choice import MacroChoice
from models.cim.presets import find_preset
from models.machine.spec import MachineSpec
from models.network.graph import IntegerGraph
from models.ops.convolution import Convolution

__all__ = ["MacroOptions", "macro_engine", "macro_machine"]

_LANES = 16
"""Elements a beat of a machine with a macro, and its outputs: so many columns are emulated."""
_WORDS = 4096


@dataclass(frozen=True, kw_only=True)
class MacroOptions:
    """A macro as asked for on the command line.

    Parameters
    ----------
    preset : str
    calibration : Path
        Images that ADC windows are chosen on.
    adc_bits, die : int
        Of the preset where ``adc_bits`` is 0.
    rule : str
        How ADC steps are chosen (:data:`flows.cim.adc_steps.RULES`).
    static, dynamic, recalibrate : bool
        As of :func:`flows.cim.macro_network.prepare`.
    """

    preset: str
    calibration: Path
    adc_bits: int = 0
    die: int = 0
    rule: str = "calibrated"
    static: bool = True
    dynamic: bool = True
    recalibrate: bool = False


def macro_engine(text: str) -> str | None:
    """The preset that ``--engine`` names; None for the digital array.

    Raises
    ------
    UserError
        If it names neither.
    """
    if text == "digital":
        return None
    kind, _, preset = text.partition(":")
    if kind != "cim" or not preset:
        raise UserError(
            f"--engine must be digital or cim:PRESET, such as cim:relu-macro, not {text!r}"
        )
    return preset


def macro_machine(board: Board, graph: IntegerGraph, engine: MacroOptions) -> MachineSpec:
    """The machine around a macro: one vector at a time, as many outputs as lanes.

    Raises
    ------
    UserError
        If there is no such macro, or none that a machine can have.
    """
    from flows.cim.k_order import machine_walks
    from flows.cim.macro_machine import network_slices

    try:
        spec = find_preset(engine.preset)
        lanes = math.gcd(spec.depth, _LANES)
        widest = MacroChoice(
            preset=engine.preset,
            columns=lanes * spec.most_slices,
            slices=spec.most_slices,
            adc_bits=engine.adc_bits,
            die=engine.die,
            static=engine.static,
            dynamic=engine.dynamic,
        )
        slices = network_slices(graph, spec)
        # A machine's depth is whole tiles of K and at least two beats.
        least = max(spec.depth, 2 * lanes)
        macro = replace(widest, columns=lanes * slices, slices=slices)
        plain = MachineSpec(
            tokens=1,
            lanes=lanes,
            rows=lanes,
            vector_lanes=max(1, lanes // 2),
            depth=least,
            bank_words=_WORDS,
            axi_width=board.data_width,
            macro=macro,
        )
        walks = machine_walks(graph, plain)
        depths = [
            walks[node.name].spread(node.operator.dense().weights).shape[1]
            for node in graph.nodes
            if isinstance(node.operator, Convolution)
        ]
        deepest = -(-max(depths, default=1) // spec.depth) * spec.depth
        return replace(plain, depth=max(least, deepest))
    except ValueError as error:
        raise UserError(f"--engine: {error}") from None
