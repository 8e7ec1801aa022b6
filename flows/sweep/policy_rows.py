"""Row classes of a machine from a quantisation policy and a ratio."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from flows.errors import UserError
from models.formats import find_format
from models.formats.row_classes import RowClass

__all__ = ["default_ratio", "ends_taken", "policy_rows"]


@cache
def policy_rows(policy: str, ratio: str | None, rows: int) -> tuple[RowClass, ...]:
    """Row classes of a policy's formats, fixed point first, widest first.

    Shares are rounded to whole rows in each group of the default size of ``--group``, as in a
    network (:func:`flows.quantise.ratio.counts`), so that rows of network and machine match.

    Parameters
    ----------
    policy, ratio : as of ``rowmac quantise``; None is the policy's default ratio
    rows : rows of the machine

    Raises
    ------
    UserError
        If there is no such policy, the ratio does not match it, or a format would have no row.
    """
    # Imported only where a policy is named: the package also imports the readers of networks.
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
    """Sort key: the first class also holds activations, so fixed point comes first, 8 bits best."""
    return not one.fixed, -find_format(one.format).bits if one.fixed else 0


@cache
def default_ratio(policy: str) -> str | None:
    """The default ratio of a policy; None for one format, or an unknown policy."""
    from flows.quantise.policies import POLICIES, find_policy

    if policy not in POLICIES:
        return None
    shares = find_policy(policy).ratio
    return ":".join(f"{share:g}" for share in shares) if len(shares) > 1 else None


def ends_taken(points: Iterable[Mapping[str, object]]) -> str | None:
    """The assumption on first and last layer for policies that keep these in other formats."""
    named = {str(point["policy"]) for point in points if "policy" in point}
    if not named:
        return None
    from flows.quantise.policies import POLICIES, find_policy

    keeping = [name for name in sorted(named & POLICIES.keys()) if find_policy(name).keep_ends]
    if not keeping:
        return None
    return f"first and last layer in the same formats (--no-keep-ends) by {', '.join(keeping)}"
