"""Options of more than one verb: a machine, a network or workload, clock and bandwidth."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flows.boards import Board, UnknownBoard, find
from flows.boards.memory_port import MEMORIES
from flows.cli.numbers import amount, count, rate
from flows.cli.paths import path
from flows.errors import UserError
from models.machine.memory import NEAR
from models.machine.numbers import MAY_BE_ZERO, OPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from flows.machine.default import Chosen
    from flows.machine.machine_file import MachineFile
    from flows.machine.needs import Needs
    from models.machine.spec import MachineSpec

__all__ = [
    "Given",
    "add_condition_options",
    "add_file_option",
    "add_machine_options",
    "add_memory_option",
    "add_workload_option",
    "add_write_option",
    "engine_of",
    "given_machine",
    "machine_text",
    "option",
    "the_machine",
]


def option(name: str) -> str:
    """The option for a number of the specification."""
    return f"--{name.replace('_', '-')}"


def _parser(name: str) -> Callable[[str], int]:
    """What reads the text of a number of the specification."""
    return amount if name in MAY_BE_ZERO else count


def add_machine_options(parser: argparse.ArgumentParser) -> None:
    """``--machine``, ``--rows``, ``--set`` and one option for each number of a machine."""
    group = parser.add_argument_group("the machine (default: the board's, as the network needs it)")
    add_file_option(group)
    group.add_argument(
        "--rows",
        metavar="CLASSES|N",
        help="number formats of the array's rows, such as fixed8:12,pot4:20 (fixed ones first), "
        "or a number of plain rows",
    )
    for name in OPTIONS:
        group.add_argument(option(name), type=_parser(name), metavar="N")
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="one of the options above by its name, such as depth=4096; may be repeated",
    )


def add_file_option(parser: argparse._ActionsContainer) -> None:
    """``--machine``."""
    parser.add_argument(
        "--machine",
        type=path,
        metavar="FILE.toml",
        help="a machine with its board and clock, as --write-machine writes it; other options "
        "change it",
    )


def add_write_option(parser: argparse.ArgumentParser, which: str, *names: str) -> None:
    """``--write-machine``, and other names for it."""
    parser.add_argument(
        *names,
        "--write-machine",
        dest="write_machine",
        type=path,
        metavar="FILE.toml",
        help=f"write {which} as a file, which --machine takes",
    )


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


def add_memory_option(parser: argparse.ArgumentParser) -> None:
    """``--memory``, which cycles are of."""
    parser.add_argument(
        "--memory",
        choices=MEMORIES,
        default=NEAR.name,
        help="near: 30 cycles of latency, a beat every cycle; board: latency and bandwidth of the "
        "board's memory port (default: near)",
    )


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a command line says of a machine, checked but for what a network decides.

    Attributes
    ----------
    board : the one named, else the file's, else the verb's default
    file : the machine of ``--machine``
    rows : text of ``--rows``
    numbers : other numbers by name
    """

    board: Board
    file: MachineFile | None
    rows: str | None
    numbers: dict[str, int]

    @property
    def options(self) -> list[str]:
        """Names of the options that change a machine, as they are given first: ``rows``."""
        return [*([] if self.rows is None else ["rows"]), *self.numbers]

    @property
    def clock_mhz(self) -> float:
        """Clock of the file, or of the board."""
        return self.board.clock_mhz if self.file is None else self.file.clock_mhz


def given_machine(options: argparse.Namespace, default_board: str | None = None) -> Given:
    """Read the options of :func:`add_machine_options` and ``--board``.

    Raises
    ------
    UserError
        If one is wrong, given twice with two values, or no board is named.
    """
    from flows.machine.choose import with_rows
    from flows.machine.machine_file import read_machine

    rows, numbers = _with_settings(options)
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
    file = None if options.machine is None else read_machine(options.machine)
    name = options.board or default_board
    if file is not None:
        name = options.board or file.board.name
    if name is None:
        raise UserError("--board NAME must be given (see rowmac boards), or --machine FILE")
    try:
        board = find(name)
    except UnknownBoard as error:
        raise UserError(str(error)) from None
    given = Given(board=board, file=file, rows=rows, numbers=numbers)
    spec = the_machine(given).spec
    if file is not None and board.name != file.board.name and spec.axi_width != board.data_width:
        raise UserError(
            f"--board must be {file.board.name}, as in {options.machine}, not {board.name}: its "
            f"memory port has {board.data_width} bits, and axi_width is {spec.axi_width}"
        )
    return given


def _with_settings(options: argparse.Namespace) -> tuple[str | None, dict[str, int]]:
    """Rows and numbers, by their own options or by ``--set``."""
    names = ("rows", *OPTIONS)
    found = {n: getattr(options, n) for n in names if getattr(options, n) is not None}
    for text in options.set:
        name, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"--set must be NAME=VALUE, such as depth=4096, not {text!r}")
        name = name.strip().replace("-", "_")
        if name not in names:
            raise UserError(f"--set must name one of {', '.join(names)}, not {name!r}")
        if name in found:
            raise UserError(f"{name} must be given once, not by {text!r} as well")
        try:
            found[name] = value.strip() if name == "rows" else _parser(name)(value.strip())
        except argparse.ArgumentTypeError as error:
            raise UserError(f"--set {name} {error}") from None
    return found.pop("rows", None), found


def engine_of(engine: str, given: Given) -> str | None:
    """The preset of ``--engine``, or of a file's macro; None for a digital array.

    Raises
    ------
    UserError
        If the option names no engine, or a file comes with one.
    """
    from flows.machine.around_macro import macro_engine

    preset = macro_engine(engine)
    if given.file is None:
        return preset
    if preset is not None:
        raise UserError(f"--engine must be the file's with --machine, not {engine}")
    macro = given.file.spec.macro
    return None if macro is None else macro.preset


def the_machine(given: Given, needs: Needs | None = None) -> Chosen:
    """The machine that the options describe, and why it is not the default one.

    Parameters
    ----------
    needs : the network that decides what the options leave open

    Raises
    ------
    UserError
        If there is none such, or none that holds the network fits the board.
    """
    from flows.machine.choose import machine_from
    from flows.machine.default import Chosen, machine_for

    if given.file is not None:
        return Chosen(machine_from(given.file.spec, given.rows, given.numbers))
    if needs is None or given.options:
        refusal = (lambda spec: None) if needs is None else needs.refusal
        return machine_for(given.board, refusal, given.rows, given.numbers)
    from flows.estimate.resources.device_cost import device_cost
    from flows.machine.fit_board import fitted_machine

    return fitted_machine(given.board, needs, device_cost)


def machine_text(spec: MachineSpec) -> str:
    """The options that describe a machine, as one types them."""
    rows = ",".join(map(str, spec.classes)) or str(spec.rows)
    return " ".join([f"--rows {rows}", *(f"{option(n)} {getattr(spec, n)}" for n in OPTIONS)])
