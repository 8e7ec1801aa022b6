"""Rows of a machine by a quantisation policy: its formats, in the policy's ratio or another one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from flows.errors import UserError
from models.formats import find_format
from models.formats.row_classes import RowClass

__all__ = ["default_ratio", "ends_taken", "policy_rows"]


@cache
def policy_rows(policy: str, ratio: str | None, rows: int) -> tuple[RowClass, ...]:
    """Row classes with a policy's formats: fixed point first, the widest of it first.

    Shares become whole rows group by group, as in a network (:func:`flows.quantise.ratio.counts`
    and the default of ``--group``): its rows then fit those of the machine.

    Parameters
    ----------
    policy, ratio : as of ``rowmac quantise``; no ratio is the policy's own
    rows : rows of the machine

    Raises
    ------
    UserError
        If there is no such policy, the ratio is none of it, or a format would have no row.
    """
    # Read where a policy is named only: the package brings the readers of networks along.
    from flows.quantise import Choices, find_policy, parse_ratio
    from flows.quantise.ratio import counts

    found = find_policy(policy)
    shares = parse_ratio(ratio, found)
    groups, rest = divmod(rows, Choices.group)
    numbers = [
        groups * whole + part
        for whole, part in zip(counts(shares, Choices.group), counts(shares, rest), strict=True)
    ]
    classes = [
        (RowClass(name, count), share)
        for name, count, share in zip(found.formats, numbers, shares, strict=True)
        if share
    ]
    if any(not one.rows for one, _ in classes):
        said = ":".join(f"{share:g}" for share in shares)
        raise UserError(
            f"rows must be enough for one of each format of {policy} "
            f"({':'.join(found.formats)} = {said}), not {rows}"
        )
    return tuple(sorted((one for one, _ in classes), key=_order))


def _order(one: RowClass) -> tuple[bool, int]:
    """The first class holds activations as well: it has to be fixed point, best of all 8 bits."""
    return not one.fixed, -find_format(one.format).bits if one.fixed else 0


@cache
def default_ratio(policy: str) -> str | None:
    """The ratio a policy has by itself; None where all its rows are alike, or it is no policy."""
    from flows.quantise.policies import POLICIES, find_policy

    if policy not in POLICIES:
        return None
    shares = find_policy(policy).ratio
    return ":".join(f"{share:g}" for share in shares) if len(shares) > 1 else None


def ends_taken(points: Iterable[Mapping[str, object]]) -> str | None:
    """What estimates take of networks by policies that have formats apart at their two ends."""
    named = {str(point["policy"]) for point in points if "policy" in point}
    if not named:
        return None
    from flows.quantise.policies import POLICIES, find_policy

    keeping = [name for name in sorted(named & POLICIES.keys()) if find_policy(name).keep_ends]
    if not keeping:
        return None
    return f"first and last layer like the others (--no-keep-ends) with {', '.join(keeping)}"
