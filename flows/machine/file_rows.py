"""Rows of the number formats that a network file names, about as many as a board's machine has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flows.errors import UserError
from flows.machine.choose import machine_from
from models.formats import find_format
from models.formats.row_classes import RowClass
from models.machine.spec import MachineSpec

__all__ = ["with_rows_of"]


def with_rows_of(default: MachineSpec, formats: Mapping[str, float]) -> Iterator[MachineSpec]:
    """Machines like the default one whose rows have these formats, as many as its rows or more.

    First as many rows as the default machine has, shared out as the weights are; then as many of
    fixed point, which products of two activations need, and the others beside them.

    Parameters
    ----------
    formats : share of the network's weights by format
    """
    fixed = sorted(
        (name for name in formats if find_format(name).fixed), key=lambda n: -find_format(n).bits
    )
    others = [name for name in formats if not find_format(name).fixed]
    if not formats:
        return
    step = default.vector_lanes
    tried = [
        _shared(fixed + others, formats, default.rows),
        _shared(fixed or ["fixed8"], formats, default.rows)
        + _shared(others, formats, -(-default.rows // step) * step),
    ]
    for classes in tried:
        if classes:
            try:
                yield machine_from(default, classes, {})
            except UserError:
                continue  # more formats than rows, or rows in no whole beats


def _shared(names: list[str], shares: Mapping[str, float], rows: int) -> list[RowClass]:
    """So many rows of these formats by their shares, at least one each."""
    if len(names) > rows:
        return []
    whole = sum(shares.get(name, 1.0) for name in names)
    counts = {name: max(1, int(rows * shares.get(name, 1.0) / whole)) for name in names}
    while names and sum(counts.values()) != rows:
        left = rows - sum(counts.values())
        # The format furthest from its share gains or loses a row.
        off = {n: rows * shares.get(n, 1.0) / whole - counts[n] for n in names}
        if left > 0:
            counts[max(names, key=off.__getitem__)] += 1
        else:
            counts[min((n for n in names if counts[n] > 1), key=off.__getitem__)] -= 1
    return [RowClass(name, counts[name]) for name in names]
