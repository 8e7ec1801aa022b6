"""Assigns formats to the rows of a layer, with the ratio kept in every group of consecutive rows.

The papers keep a ratio in every layer. Hardware that processes a block of consecutive rows with a
fixed number of cells per class needs it in every block; otherwise one class waits for the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flows.quantise.policies import Policy, Rows
from flows.quantise.ratio import counts

__all__ = ["assign"]


def assign(policy: Policy, ratio: Sequence[float], rows: Rows, group: int) -> tuple[str, ...]:
    """Return one format per row.

    Parameters
    ----------
    group : int
        Consecutive rows in which the ratio holds; 0 is the whole layer. The last group of a layer
        may be smaller; its counts follow from its own size.
    """
    total = len(rows.matrix)
    picks = policy.picks(rows)
    named = {pick.format for pick in picks}
    (rest,) = (name for name in policy.formats if name not in named)
    chosen = np.full(total, rest, dtype=object)
    step = group or total
    for start in range(0, total, step):
        free = np.arange(start, min(start + step, total))
        shares = dict(zip(policy.formats, counts(ratio, len(free)), strict=True))
        for pick in picks:
            order = np.argsort(-pick.score[free], kind="stable")
            taken = free[order[: shares[pick.format]]]
            chosen[taken] = pick.format
            free = np.setdiff1d(free, taken)
    return tuple(chosen)
