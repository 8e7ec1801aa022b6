"""Entry point: picks the verb, and turns every end of it into an exit status.

0 done, 1 the simulation found a mismatch or failed, 2 something in what the user gave is not right,
130 interrupted. With ``--json``, standard output holds exactly one object, also after an error.
"""

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from ..errors import RunError, UserError
from . import boards, build, cim, estimate, operators, quantise, report, search, simulate, sweep

__all__ = ["main"]

VERBS = (quantise, build, simulate, estimate, search, sweep, report, cim, boards, operators)


class Parser(argparse.ArgumentParser):
    """Argument errors in one line, with what to look up."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} (see {self.prog} --help)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in given
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        options = _parser().parse_args(given)
        result, status = options.run(options)
        if as_json:
            _print_json(result)
        return int(status)
    except UserError as error:
        return _fail(str(error), 2, as_json)
    except RunError as error:
        return _fail(str(error), 1, as_json)
    except KeyboardInterrupt:
        return _fail("interrupted", 130, as_json)
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    finally:
        signal.signal(signal.SIGTERM, previous)


def _parser() -> Parser:
    parser = Parser(
        prog="rowmac",
        description="Hardware generator for quantised vision networks.",
        epilog="Example: rowmac build network.onnx --board arty-z7-20 -o out",
    )
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


def _print_json(result: Any) -> None:
    print(json.dumps(result, indent=2))


def _fail(message: str, status: int, as_json: bool) -> int:
    line = " ".join(message.split())
    print(f"rowmac: {line}", file=sys.stderr)
    if as_json:
        _print_json({"error": line, "status": status})
    return status
