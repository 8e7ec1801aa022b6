"""Shares of row classes: parsed from the command line, and converted to row counts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from flows.errors import UserError
from flows.quantise.policies import Policy

__all__ = ["counts", "parse_ratio"]


def parse_ratio(text: str | None, policy: Policy) -> tuple[float, ...]:
    """Parse percentages such as ``65:30:5``; with two classes the first is enough (``40``).

    Raises
    ------
    UserError
        If they are not numbers of 0 to 100, not one per class of the policy, or do not sum to 100.
    """
    if text is None:
        return policy.ratio
    classes = policy.formats
    if len(classes) == 1:
        raise UserError(f"policy {policy.name} must have no ratio: all its rows are {classes[0]}")
    try:
        parts = [float(part) for part in text.split(":")]
    except ValueError:
        parts = [math.nan]
    if not all(0 <= part <= 100 for part in parts):
        raise UserError(f"ratio must be percentages of 0 to 100 separated by colons, not {text!r}")
    if len(parts) == 1 and len(classes) == 2:
        parts.append(100 - parts[0])
    if len(parts) != len(classes):
        raise UserError(
            f"ratio of {policy.name} must be {len(classes)} percentages ({':'.join(classes)}), "
            f"not {len(parts)}"
        )
    if not math.isclose(sum(parts), 100, abs_tol=1e-6):
        raise UserError(f"ratio must sum to 100, not {sum(parts):g}")
    return tuple(parts)


def counts(ratio: Sequence[float], rows: int) -> tuple[int, ...]:
    """Return the number of rows of each class; they sum to ``rows``.

    The first class, the cheapest, gets its share rounded half up, so that the others together never
    exceed their share rounded up. These get the remaining rows by largest remainders; a tie goes to
    the earlier class.
    """
    first = math.floor(ratio[0] * rows / 100 + 0.5)
    nominal = [share * rows / 100 for share in ratio[1:]]
    found = [math.floor(share) for share in nominal]
    order = sorted(range(len(found)), key=lambda i: found[i] - nominal[i])
    for place in order[: rows - first - sum(found)]:
        found[place] += 1
    return first, *found
