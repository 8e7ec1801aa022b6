"""``rowmac operators``: the operators that a network may contain."""

import argparse
from typing import Any

from flows.cli.table import table

__all__ = ["CONDITIONS", "HELP", "add_arguments", "run"]

HELP = "list the ONNX operators that are accepted, and where each may stand"

_MOVES = "channels of a position must stay together and in order"
CONDITIONS = {
    "Concat": "of tokens; not of channels",
    "DepthToSpace": "of constants, or undone before an operator reads it: it moves channels",
    "Div": "by a constant, or of functions of one tensor",
    "Flatten": "of one position, such as behind a global average; more must be a convolution",
    "Dropout": "not in training",
    "MatMul": "with constant weights, or of attention",
    "Max": "with a number, or of functions of one tensor",
    "Min": "with a number, or of functions of one tensor",
    "Mul": "by a constant, or of functions of one tensor",
    "PRelu": "with one slope",
    "Pad": "of zeros around an image, before a convolution or a pool",
    "Pow": "to a constant power",
    "ReduceMean": "over height and width of an image, or over tokens",
    "Reshape": _MOVES,
    "Softmax": "over the keys of attention or the last axis",
    "SpaceToDepth": "of constants, or undone before an operator reads it: it moves channels",
    "Transpose": _MOVES,
}
"""Conditions of the operators that are accepted in some places only."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the verb takes no arguments."""


def run(options: argparse.Namespace) -> tuple[Any, int]:
    """Print the list; the result holds names and conditions."""
    from flows.onnx_import import SUPPORTED

    names = sorted(SUPPORTED)
    conditions = {name: CONDITIONS[name] for name in names if name in CONDITIONS}
    if not options.json:
        print(table(("operator", "where"), [(name, conditions.get(name, "")) for name in names]))
    return {"operators": names, "conditions": conditions}, 0
