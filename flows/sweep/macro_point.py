"""Points of machines around a macro: their parameters and figures."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.errors import UserError
from flows.machine.around_macro import macro_engine
from flows.sweep.definition import Point
from flows.sweep.parameters import DIGITAL
from flows.sweep.point_machine import board_of, clock_of

if TYPE_CHECKING:
    from flows.estimate.cycles.macro_estimate import MacroEstimate

__all__ = ["around_macro", "macro_figures", "macro_preset"]


def around_macro(point: Point) -> bool:
    """Whether a point names another engine than the digital array."""
    return point.get("engine", "digital") != "digital"


def macro_preset(point: Point) -> str:
    """The preset of a point's macro.

    Raises
    ------
    UserError
        If the engine is unknown.
    """
    try:
        preset = macro_engine(str(point["engine"]))
    except UserError as error:
        raise UserError(_own(error)) from None
    assert preset is not None
    return preset


def macro_figures(point: Point) -> dict[str, Any]:
    """Cycles, rates and conversions of a machine around a macro, whose cost is not modelled.

    Raises
    ------
    UserError
        If there is no such machine, its network is no file or does not fit, or the point has a
        parameter that only digital machines have.
    """
    preset = macro_preset(point)
    for name in DIGITAL:
        if name in point:
            raise UserError(f"{name} must be of a digital machine, not of one around cim:{preset}")
    network = str(point.get("network", ""))
    if not network.endswith(".onnx"):
        raise UserError(f"network must be a file with engine cim:{preset}, not {network or 'none'}")
    found = _estimate(network, board_of(point).name, preset, int(point.get("adc_bits", 0)))
    if isinstance(found, str):
        raise UserError(found)
    clock = clock_of(point)
    return {
        "cycles": found.cycles,
        "fps": round(found.fps(clock), 4),
        "gops": round(found.gops(clock), 4),
        "conversions": found.conversions,
        "columns": found.macro.columns,
    }


@cache
def _estimate(network: str, board: str, preset: str, adc_bits: int) -> MacroEstimate | str:
    """The estimate, which no clock changes, or the reason why there is none."""
    from flows.estimate.cycles.macro_estimate import estimate_macro

    try:
        return estimate_macro(Path(network), board_of({"board": board}), preset, adc_bits)
    except UserError as error:
        return _own(error)


def _own(error: UserError) -> str:
    """An error of an option as an error of the parameter, which has the same name."""
    return str(error).removeprefix("--")
