"""32 bits that name a machine by its content: programs carry them, the hardware compares them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import Any

__all__ = ["content", "fingerprint"]

REVISION = 1
"""To be raised where a default changes, which :func:`content` leaves out."""


def fingerprint(*contents: str) -> int:
    """First 32 bits of the SHA-256 of texts."""
    text = "\n".join((str(REVISION), *contents))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")


def content(value: Any, without: Collection[str] = ()) -> str:
    """Text of a value by what it is made of, but for the fields ``without``.

    Of a dataclass only fields that differ from their default, in the order of their names: one that
    is added later changes nothing for those that do without it.
    """
    if is_dataclass(value):
        kept = [f for f in fields(value) if f.name not in without and not _default(value, f)]
        texts = sorted(f"{f.name}={content(getattr(value, f.name))}" for f in kept)
        return f"({','.join(texts)})"
    if isinstance(value, (tuple, list)):
        return f"[{','.join(map(content, value))}]"
    if isinstance(value, Enum):
        return str(value.value)
    return repr(value)


def _default(value: Any, field: Any) -> bool:
    default = field.default
    if default is MISSING and field.default_factory is not MISSING:
        default = field.default_factory()
    return bool(default is not MISSING and getattr(value, field.name) == default)
