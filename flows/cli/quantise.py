"""``rowmac quantise``: from a float network to one with a number format for every row."""

import argparse
from typing import Any

from flows.cli.numbers import whole
from flows.cli.paths import path

__all__ = ["HELP", "add_arguments", "run"]

HELP = "quantise a float network by a published policy: a number format for every weight row"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Network, policy, images, output."""
    parser.add_argument("network", type=path, metavar="NETWORK", help="float ONNX file")
    parser.add_argument(
        "--policy",
        required=True,
        help="int8, int4, rmsmp, ilmpq, film-qnn, auto-vit-acc, msq, vaqf, esb or f8net",
    )
    parser.add_argument(
        "--ratio",
        metavar="A:B:C",
        help="percent of rows in each of the policy's formats, such as 65:30:5 or 40",
    )
    parser.add_argument(
        "--group",
        type=whole,
        default=16,
        metavar="N",
        help="consecutive rows in which the ratio holds; 0: the whole layer (default 16)",
    )
    parser.add_argument(
        "--weight-bits", type=whole, metavar="BITS", help="for auto-vit-acc: 8 (default) or 4"
    )
    parser.add_argument(
        "--activation-bits",
        type=whole,
        default=8,
        metavar="BITS",
        help="bits of activations, 4 to 8, except in the first and last layer (default 8)",
    )
    parser.add_argument(
        "--keep-ends",
        action=argparse.BooleanOptionalAction,
        help="first and last layer in fixed8 (default: the policy's choice)",
    )
    parser.add_argument(
        "--rounding",
        choices=("gptq", "nearest"),
        default="gptq",
        help="with error feedback (default), or to the nearest level",
    )
    parser.add_argument(
        "--calibration",
        type=path,
        required=True,
        metavar="X.npz",
        help="images x [n, ...] as the network takes them",
    )
    parser.add_argument(
        "--labelled",
        type=path,
        metavar="Y.npz",
        help="images x and labels y [n]: accuracy before and after",
    )
    parser.add_argument(
        "-o", "--output", type=path, required=True, metavar="OUT.onnx", help="file to write"
    )


def run(options: argparse.Namespace) -> tuple[Any, int]:
    """Quantise; the result holds the choices, rows by format, and accuracies."""
    from flows.cli.show_quantise import show

    return show(options)
