"""Many machines at once: their parameters as columns, so that estimates are vectorised."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flows.errors import UserError
from models.formats import FORMATS
from models.machine.numbers import NUMBERS
from models.machine.spec import MachineSpec

__all__ = ["COMBINED", "FAMILIES", "FORMAT_NAMES", "SCALARS", "Points"]

Column = NDArray[np.int64]

FAMILIES: Final = ("xc7", "xcup")
"""Vendor families that machines are estimated for."""

FORMAT_NAMES: Final = tuple(FORMATS)
"""Columns of :attr:`Points.format_rows`."""

_INDEX = {name: index for index, name in enumerate(FORMAT_NAMES)}
_BITS = np.array([book.bits for book in FORMATS.values()])
_LARGEST = np.array(
    # Fixed-point rows are narrow (see models.formats.row_classes.RowClass.grid).
    [book.largest - book.fixed for book in FORMATS.values()]
)
COMBINED = ("word_bytes", "subwords")
"""Products and quotients of parameters that decide the size of units."""
SCALARS = NUMBERS
"""Whole numbers of a specification: a column each."""


@dataclass(frozen=True, kw_only=True)
class Points:
    """``n`` machines: int64 columns ``[n]`` named as the parameters of a
    :class:`~models.machine.spec.MachineSpec`, and derived ones.

    Attributes
    ----------
    format_rows : ``[n, len(FORMAT_NAMES)]`` rows of each format; all 0 without row classes
    first_format : ``[n]`` index of the first row class' format, -1 without row classes
    xcup : ``[n]`` bool: family ``xcup``, else ``xc7``
    """

    lanes: Column
    tokens: Column
    rows: Column
    vector_lanes: Column
    depth: Column
    banks: Column
    bank_words: Column
    param_entries: Column
    row_group: Column
    axi_width: Column
    queue_depth: Column
    act_bits: Column
    part_sums: Column
    format_rows: Column
    first_format: Column
    xcup: NDArray[np.bool_]

    @staticmethod
    def of(specs: Iterable[MachineSpec], family: str | Sequence[str]) -> Points:
        """Columns of machines; one family for all, or one for each.

        Raises
        ------
        UserError
            If a family is not one of :data:`FAMILIES`, the numbers of machines and families differ,
            or a machine has a macro, whose cost is not modelled.
        """
        machines = list(specs)
        if any(machine.macro is not None for machine in machines):
            raise UserError("machines must be digital to be estimated, not with a macro")
        families = [family] * len(machines) if isinstance(family, str) else list(family)
        for name in {family} if isinstance(family, str) else set(families):
            if name not in FAMILIES:
                raise UserError(f"family must be one of {', '.join(FAMILIES)}, not {name!r}")
        if len(families) != len(machines):
            raise UserError(f"families must be {len(machines)}, one a machine, not {len(families)}")
        scalars = np.array(list(map(attrgetter(*SCALARS), machines)), dtype=np.int64)
        columns = dict(zip(SCALARS, scalars.reshape(-1, len(SCALARS)).T, strict=True))
        format_rows = np.zeros((len(machines), len(FORMAT_NAMES)), dtype=np.int64)
        first = np.full(len(machines), -1, dtype=np.int64)
        for index, machine in enumerate(machines):
            for kind in reversed(machine.classes):
                first[index] = _INDEX[kind.format]
                format_rows[index, first[index]] = kind.rows
        xcup = np.array([name == "xcup" for name in families], dtype=np.bool_)
        return Points(**columns, format_rows=format_rows, first_format=first, xcup=xcup)

    def __len__(self) -> int:
        return len(self.lanes)

    def __getitem__(self, which: slice | NDArray[np.bool_] | NDArray[np.int64]) -> Points:
        """Some of the machines, by slice, mask or indices."""
        return Points(**{f.name: getattr(self, f.name)[which] for f in fields(self)})

    def rows_of(self, format_name: str) -> Column:
        """``[n]`` rows of a format."""
        return self.format_rows[:, _INDEX[format_name]]

    @property
    def with_classes(self) -> NDArray[np.bool_]:
        """``[n]`` whether the machine has row classes."""
        return self.first_format >= 0

    @property
    def scatter(self) -> NDArray[np.bool_]:
        """``[n]`` whether the machine has several row classes, so that rows permute."""
        several: NDArray[np.bool_] = np.count_nonzero(self.format_rows, axis=1) > 1
        return several

    @property
    def word_bytes(self) -> Column:
        """``[n]`` bytes of a scratchpad word."""
        return self.tokens * self.lanes

    @property
    def subwords(self) -> Column:
        """``[n]`` vector beats of 8-bit elements in a scratchpad word."""
        return self.word_bytes // self.vector_lanes

    @property
    def depth_entries(self) -> Column:
        """``[n]`` beats of K a weight row can hold."""
        return self.depth // self.lanes

    @property
    def macs_per_cycle(self) -> Column:
        """``[n]`` multiply-accumulates of the array a cycle."""
        return self.rows * self.tokens * self.lanes

    @property
    def beats_per_word(self) -> Column:
        """``[n]`` bus beats of a scratchpad word."""
        return -(-self.word_bytes * 8 // self.axi_width)

    @property
    def act_width(self) -> Column:
        """``[n]`` signed bits of an activation in the array."""
        return np.where(self.with_classes, self.act_bits, 9)

    @property
    def weight_width(self) -> Column:
        """``[n]`` bits of the widest weight in the array."""
        widest = np.where(self.format_rows > 0, _BITS, 0).max(axis=1)
        return np.where(self.with_classes, widest, 9)

    @property
    def acc_width(self) -> Column:
        """``[n]`` bits of an accumulator."""
        largest = np.where(self.format_rows > 0, _LARGEST, 0).max(axis=1)
        largest = np.where(self.with_classes, largest, 256)
        return bit_length(self.depth * (1 << self.act_width - 1) * largest) + 1


def bit_length(values: Column) -> Column:
    """Bits of non-negative whole numbers below ``2**53``; any shape."""
    exponent: Column = np.frexp(values.astype(np.float64))[1].astype(np.int64)
    return exponent
