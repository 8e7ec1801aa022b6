"""``rowmac cim``: a computing-in-memory macro, characterised, and networks on it."""

import argparse
import os
from typing import Any

from flows.cli.numbers import count, whole
from flows.cli.paths import path

__all__ = ["HELP", "add_arguments", "run"]

HELP = "characterise a computing-in-memory macro, or run a network on one: accuracy by ADC bits"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verbs ``characterise``, ``accuracy`` and ``layers``."""
    verbs = parser.add_subparsers(metavar="VERB", dest="verb", required=True)
    one = verbs.add_parser(
        "characterise", help="transfer curve, non-linearity, noise, residual after calibration"
    )
    one.add_argument("preset", metavar="PRESET", help="such as cap-ram (see docs/systems)")
    one.add_argument("--die", type=whole, default=0, metavar="N", help="seed (default 0)")
    one.add_argument("--adc-bits", type=whole, metavar="BITS", help="default: the preset's")
    one.add_argument(
        "--samples",
        type=whole,
        default=1 << 19,
        metavar="N",
        help="conversions that the residual error is measured on (default 524288)",
    )
    one.add_argument(
        "-o", "--output", type=path, required=True, metavar="DIR", help="folder to write into"
    )
    two = verbs.add_parser("accuracy", help="accuracy of a network by ADC bits, step rule and die")
    _add_network(two)
    two.add_argument("--adc-bits", default="3..8", metavar="A..B", help="default 3..8")
    two.add_argument("--dies", type=whole, default=1, metavar="N", help="dies 0 to N-1 (default 1)")
    two.add_argument(
        "--rule",
        default="full,calibrated",
        metavar="RULES",
        help="full, unit, calibrated, snr, separated by commas (default full,calibrated)",
    )
    two.add_argument(
        "--noise",
        metavar="FACTORS",
        help="multiples of the preset's noise, such as 0,0.5,1,2 (default 1)",
    )
    two.add_argument(
        "--store",
        type=path,
        metavar="FILE",
        help="file of results; a run continues from it (default: in the cache folder)",
    )
    two.add_argument(
        "--jobs", type=whole, default=0, metavar="N", help="processes (default: all cores)"
    )
    two.add_argument("--plot", type=path, metavar="FILE.png", help="picture to write")
    three = verbs.add_parser("layers", help="windows, conversions, cycles and error of each layer")
    _add_network(three)
    three.add_argument("--adc-bits", type=whole, metavar="BITS", help="default: the preset's")
    three.add_argument("--die", type=whole, default=0, metavar="N", help="seed (default 0)")
    three.add_argument(
        "--rule", default="calibrated", help="full, unit, calibrated (default) or snr"
    )
    for verb in (one, two, three):
        verb.add_argument(
            "--group",
            type=whole,
            metavar="N",
            help="elements that one conversion adds (default: the preset's)",
        )
        verb.add_argument(
            "--dac-bits",
            type=whole,
            metavar="BITS",
            help="bits of an activation at a time (default: the preset's)",
        )
        verb.add_argument(
            "--json",
            action="store_true",
            default=argparse.SUPPRESS,
            help="one JSON object on standard output",
        )


def _add_network(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("network", type=path, metavar="NETWORK", help="quantised ONNX file")
    parser.add_argument("--preset", required=True, help="such as cap-ram (see docs/systems)")
    parser.add_argument(
        "--inputs", type=path, required=True, metavar="X.npz", help="images x and labels y"
    )
    parser.add_argument("--count", type=count, metavar="N", help="number of images (default: all)")
    parser.add_argument(
        "--calibration",
        type=path,
        metavar="X.npz",
        help="images x that steps are chosen on (default: the first 32 inputs)",
    )
    for name, text in (
        ("--no-static", "dies without static errors"),
        ("--no-noise", "conversions without noise"),
        ("--no-calibration", "converters without calibration"),
        ("--recalibrate", "fit gain and bias of every output to the die"),
        ("--keep-ends", "first and last layer exact, not on the macro"),
    ):
        parser.add_argument(name, action="store_true", help=text)


def run(options: argparse.Namespace) -> tuple[Any, int]:
    """Run the verb; the result holds the printed figures."""
    # Products are small: a second thread of the library that multiplies only waits for the first.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from flows.cli import show_cim

    return show_cim.show(options)
