"""``rowmac operators``: what a network may contain."""

import argparse
from typing import Any

__all__ = ["HELP", "add_arguments", "run"]

HELP = "list the ONNX operators that are understood"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def run(options: argparse.Namespace) -> tuple[Any, int]:
    """Print the list; the result is it as data."""
    from ..onnx_import import SUPPORTED

    names = sorted(SUPPORTED)
    if not options.json:
        print("\n".join(names))
    return {"operators": names}, 0
