"""Options of more than one verb: a machine, a network or workload, clock and bandwidth."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from flows.cli.numbers import count, rate
from flows.cli.paths import path
from flows.errors import UserError
from models.machine.numbers import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from flows.boards import Board
    from flows.machine.default import Chosen
    from models.machine.spec import MachineSpec

__all__ = [
    "add_condition_options",
    "add_machine_options",
    "add_workload_option",
    "given_options",
    "machine_text",
    "option",
    "the_machine",
]


def option(name: str) -> str:
    """The option for a number of the specification."""
    return f"--{name.replace('_', '-')}"


def add_machine_options(parser: argparse.ArgumentParser) -> None:
    """``--rows`` and one option for each number of a machine."""
    group = parser.add_argument_group("the machine (default: the board's)")
    group.add_argument(
        "--rows",
        metavar="CLASSES|N",
        help="number formats of the array's rows, such as fixed8:12,pot4:20 (fixed ones first), "
        "or a number of plain rows",
    )
    for name in OPTIONS:
        group.add_argument(option(name), type=count, metavar="N")


def add_workload_option(
    parser: argparse.ArgumentParser, *, required: bool = False, more: str = ""
) -> None:
    """``--network``: a file, or a workload by its name."""
    parser.add_argument(
        "--network",
        type=lambda text: str(path(text)),
        required=required,
        metavar="FILE|NAME",
        help=f"ONNX file in QDQ form, or a named workload such as deit-base{more}",
    )


def add_condition_options(parser: argparse.ArgumentParser) -> None:
    """``--clock`` and ``--bandwidth``, which estimates assume."""
    parser.add_argument(
        "--clock", type=rate, metavar="MHZ", help="assumed clock (default: the board's)"
    )
    parser.add_argument(
        "--bandwidth",
        type=rate,
        metavar="MB/S",
        help="memory bandwidth (default: what the bus takes at that clock)",
    )


def _none(spec: MachineSpec) -> str | None:
    return None


def given_options(options: argparse.Namespace) -> list[str]:
    """Names of those that were given, ``rows`` first."""
    return [name for name in ("rows", *OPTIONS) if getattr(options, name) is not None]


def the_machine(
    options: argparse.Namespace, board: Board, refusal: Callable[[MachineSpec], str | None] = _none
) -> Chosen:
    """The machine that the options describe, and why its rows are not the default ones.

    Parameters
    ----------
    refusal : says why a machine does not hold the network; None if it does

    Raises
    ------
    UserError
        If there is none such; names the option where its text is wrong.
    """
    from flows.machine.choose import with_rows
    from flows.machine.default import machine_for

    rows = options.rows
    if rows == "":
        raise UserError("--rows must have a value, such as fixed8:12,pot4:20 or 16")
    try:
        if rows is not None and rows.isdecimal():
            rows = str(count(rows))
        with_rows(rows)
    except argparse.ArgumentTypeError as error:
        raise UserError(f"--rows {error}") from None
    except ValueError as error:
        raise UserError(f"--rows: {error}") from None
    numbers = {n: getattr(options, n) for n in OPTIONS if getattr(options, n) is not None}
    return machine_for(board, refusal, rows, numbers)


def machine_text(spec: MachineSpec) -> str:
    """The options that describe a machine, as one types them."""
    rows = ",".join(map(str, spec.classes)) or str(spec.rows)
    return " ".join([f"--rows {rows}", *(f"{option(n)} {getattr(spec, n)}" for n in OPTIONS)])
