"""Numbers on the command line."""

import argparse

__all__ = ["MOST", "amount", "count", "rate", "share", "whole"]

MOST = 10**9
"""Whole numbers are smaller: nothing here has more parts, and all of them fit 64 bits."""
LEAST = 1e-6


def count(text: str) -> int:
    """A whole number of 1 or more.

    Raises
    ------
    argparse.ArgumentTypeError
        If the text is no such number. The other functions raise the same.
    """
    if not text.isdecimal() or not _whole(text):
        raise argparse.ArgumentTypeError(f"must be a whole number of 1 or more, not {text!r}")
    return whole(text)


def amount(text: str) -> int:
    """A whole number of 0 or more."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number of 0 or more, not {text!r}")
    return whole(text)


def whole(text: str) -> int:
    """A whole number, negative ones included."""
    value = _whole(text)
    if value is None:
        raise argparse.ArgumentTypeError(f"must be a whole number, not {text!r}")
    if abs(value) >= MOST:
        raise argparse.ArgumentTypeError(f"must be a whole number of up to 9 digits, not {text!r}")
    return value


def rate(text: str) -> float:
    """A number above 0 (of 1e-6 to 1e9, so that nothing made of it is 0 or infinite)."""
    value = _number(text)
    if not LEAST <= value < MOST:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text!r}")
    return value


def share(text: str) -> float:
    """A number above 0, at most 1."""
    value = _number(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 1, not {text!r}")
    return value


def _whole(text: str) -> int | None:
    """The whole number; None for other text, a number that is too large for too many digits."""
    sign, digits = (text[:1], text[1:]) if text[:1] in ("-", "+") else ("", text)
    if not digits.isdecimal():
        return None
    return int(f"{sign}{digits}") if len(digits) < 20 else MOST**2


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
