"""Numbers on the command line."""

import argparse

__all__ = ["count", "rate", "share"]


def count(text: str) -> int:
    """A whole number of 1 or more.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is none; so do the others.
    """
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"must be a whole number of 1 or more, not {text!r}")
    return int(text)


def rate(text: str) -> float:
    """A number above 0 (and below 1e9)."""
    value = _number(text)
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text!r}")
    return value


def share(text: str) -> float:
    """A number above 0, at most 1."""
    value = _number(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 1, not {text!r}")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
