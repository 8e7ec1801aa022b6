"""Paths on the command line."""

import argparse
from pathlib import Path

__all__ = ["path"]


def path(text: str) -> Path:
    """A path without NUL characters.

    Raises
    ------
    argparse.ArgumentTypeError
        if it holds a NUL character.
    """
    if "\0" in text:
        raise argparse.ArgumentTypeError(f"must be a path without NUL characters, not {text!r}")
    return Path(text)
