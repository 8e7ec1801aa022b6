"""A sweep around the machine of a file, and the file of a machine that a sweep has found."""

from __future__ import annotations

from dataclasses import replace

from flows.errors import UserError
from flows.machine.machine_file import MachineFile
from flows.sweep.definition import Definition, Point
from flows.sweep.macro_point import around_macro
from flows.sweep.parameters import NUMBERS, Value
from flows.sweep.point_machine import board_of, classes_text, clock_of, machine_of

__all__ = ["around_file", "file_of"]


def file_of(point: Point) -> MachineFile:
    """A digital point as a machine of its own.

    Raises
    ------
    UserError
        If no machine has these parameters.
    """
    return MachineFile(board=board_of(point), clock_mhz=clock_of(point), spec=machine_of(point))


def around_file(definition: Definition, machine: MachineFile) -> Definition:
    """The same sweep with board, clock, rows and numbers of a file where points have none.

    They become parameters of the points, so that a store says of each point what it is. Points with
    a policy have the file's number of rows.

    Raises
    ------
    UserError
        If the file's machine, or a point's, is around a macro, or a point's board has a memory port
        of another width.
    """
    corners = [dict(zip(definition.grid, values, strict=True)) for values in _corners(definition)]
    for point in (*corners, *definition.points):
        if machine.spec.macro is not None or around_macro(point):
            raise UserError("--machine must be a digital machine in a sweep, not one with a macro")
        _check_board(point, machine)
    grid, points = definition.grid, [_filled(point, machine) for point in definition.points]
    if corners:
        own = _filled(corners[0], machine)
        grid = {**{name: [value] for name, value in own.items()}, **grid}
    return replace(definition, grid=grid, points=points)


def _corners(definition: Definition) -> list[list[Value]]:
    """Points of the grid in which every value is once at least."""
    most = max(map(len, definition.grid.values()), default=0)
    return [[v[min(n, len(v) - 1)] for v in definition.grid.values()] for n in range(most)]


def _check_board(point: Point, machine: MachineFile) -> None:
    board = board_of(_filled(point, machine))
    width = point.get("axi_width", machine.spec.axi_width)
    if board != machine.board and width != board.data_width:
        raise UserError(
            f"board must be {machine.board.name}, as in the machine's file, not {board.name}: its "
            f"memory port has {board.data_width} bits, and axi_width is {width}"
        )


def _filled(point: Point, machine: MachineFile) -> dict[str, Value]:
    spec = machine.spec
    own: dict[str, Value] = {name: getattr(spec, name) for name in NUMBERS}
    rows = str(spec.rows) if "policy" in point else classes_text(spec)
    return {
        "board": machine.board.name, "clock_mhz": machine.clock_mhz, "rows": rows, **own, **point,
    }  # fmt: skip
