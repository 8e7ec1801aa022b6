"""Entry point: picks the verb, and turns every end of it into an exit status.

0 done, 1 the simulation found a mismatch or failed, 2 something in what the user gave is not right,
130 interrupted. With ``--json``, standard output holds exactly one object, also after an error.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from typing import Any, NoReturn

from flows.cli import (
    boards,
    build,
    cim,
    estimate,
    formats,
    operators,
    profile,
    quantise,
    report,
    search,
    simulate,
    sweep,
)
from flows.cli.output import Output, as_json, discard, printable, tell
from flows.errors import OutputError, RunError, UserError

__all__ = ["main"]

MOST_CHARACTERS = 2000
"""Longest line of an error, in characters."""
VERBS = (
    quantise,
    build,
    simulate,
    profile,
    estimate,
    search,
    sweep,
    report,
    cim,
    boards,
    formats,
    operators,
)


class Version(argparse.Action):
    """Prints the version; package and git are asked only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from flows.work.version import version

        print(f"rowmac {version()}")
        parser.exit()


class Parser(argparse.ArgumentParser):
    """Argument errors in one line, with what to look up."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} (see {self.prog} --help)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with redirect_stdout(Output(sys.stdout)):
            return _status(given, "--json" in given)
    except BrokenPipeError:
        # Nobody reads: of standard output, or of the progress.
        discard(sys.stderr)
        return 1
    finally:
        signal.signal(signal.SIGTERM, previous)


def _status(given: Sequence[str], as_data: bool) -> int:
    try:
        options = _options(given)
        result, status = options.run(options)
        if as_data:
            print(as_json(result))
        sys.stdout.flush()
        return int(status)
    except OutputError as error:
        return _fail(str(error), 2, as_data, error.result)
    except UserError as error:
        return _fail(str(error), 2, as_data)
    except RunError as error:
        return _fail(str(error), 1, as_data)
    except KeyboardInterrupt:
        return _fail("interrupted", 130, as_data)
    except MemoryError:
        return _fail("the task must fit into the memory of this computer", 2, as_data)


def _options(given: Sequence[str]) -> argparse.Namespace:
    for text in given:
        # argparse takes these two dashes for the end of the options, and their value for a list.
        if text.startswith("-") and text.endswith("=--"):
            raise UserError(f"{text[:-3]} must have a value, not --")
    try:
        return _parser().parse_args(given)
    except SystemExit:
        # A help text, of which argparse does not see whether it can be written.
        sys.stdout.flush()
        raise


def _parser() -> Parser:
    parser = Parser(
        prog="rowmac",
        description="Hardware generator for quantised vision networks.",
        epilog="Example: rowmac build network.onnx --board arty-z7-20 -o out",
    )
    parser.add_argument("--version", action=Version, nargs=0, help="show the version and exit")
    verbs = parser.add_subparsers(metavar="VERB", required=True, parser_class=Parser)
    for verb in VERBS:
        name = verb.__name__.rpartition(".")[2]
        sub = verbs.add_parser(name, help=verb.HELP, description=verb.HELP)
        sub.add_argument("--json", action="store_true", help="one JSON object on standard output")
        verb.add_arguments(sub)
        sub.set_defaults(run=verb.run)
    return parser


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _fail(message: str, status: int, as_data: bool, result: dict[str, Any] | None = None) -> int:
    line = printable(_shortened(" ".join(message.split())))
    # That standard output cannot be written is no news beside this error.
    with suppress(UserError, BrokenPipeError):
        sys.stdout.flush()
    tell(f"rowmac: {line}")
    with suppress(UserError, BrokenPipeError):
        if as_data:
            print(as_json({**(result or {}), "error": line, "status": status}))
        sys.stdout.flush()
    return status


def _shortened(line: str) -> str:
    """Cut the middle out of a line that is too long to read."""
    if len(line) <= MOST_CHARACTERS:
        return line
    return f"{line[: MOST_CHARACTERS // 2]} ... {line[-MOST_CHARACTERS // 2 :]}"
