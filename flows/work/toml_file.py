"""TOML files of users, read whole or refused in one line."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from flows.errors import UserError

__all__ = ["MOST_BYTES", "read_toml"]

MOST_BYTES = 1 << 24
"""Bytes of a file at most: all of it is in memory at once."""


def read_toml(file: Path) -> dict[str, Any]:
    """The tables of a file.

    Raises
    ------
    UserError
        If it cannot be read, is too large, or is no TOML.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise UserError(f"{file} must be a TOML file of at most {MOST_BYTES:,} bytes")
        return tomllib.loads(content.decode())
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror or error}") from None
    except RecursionError:
        raise UserError(f"{file} must be a TOML file of less deeply nested values") from None
    except ValueError as error:
        # Also of what is no UTF-8, and of numbers that Python would not read.
        raise UserError(f"{file} must be a TOML file: {error}") from None
