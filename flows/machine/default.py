"""The machine that a board gets unless another one is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flows.boards import Board
from flows.errors import UserError
from flows.machine.choose import machine_from
from models.machine.spec import MachineSpec

__all__ = ["Change", "Chosen", "default_machine", "machine_for", "plain_machine"]


@dataclass(frozen=True)
class Change:
    """A field of a machine that is not the default one, with its value as text and the reason."""

    name: str
    value: str
    instead: str
    why: str

    def __str__(self) -> str:
        return f"{self.name} {self.value} instead of {self.instead}: {self.why}"


PART_SUMS = 512
"""Beats of sums between parts of K: as many as the shallowest block memory has entries."""


@dataclass(frozen=True)
class Chosen:
    """A machine, and why it is not the default one.

    Attributes
    ----------
    reason : why it has plain rows where rows of classes would be the default
    changes : fields that the network needs otherwise than the default machine has them
    """

    spec: MachineSpec
    reason: str | None = None
    changes: tuple[Change, ...] = ()


def plain_machine(board: Board) -> MachineSpec:
    """The board's machine with plain rows: one nine-bit product a DSP slice, any zero point."""
    fields = {"part_sums": PART_SUMS, **board.machine}
    return MachineSpec(**fields, axi_width=board.data_width)


def default_machine(board: Board) -> MachineSpec:
    """The board's machine, with eight-bit fixed-point rows: two products a DSP slice."""
    plain = plain_machine(board)
    return machine_from(plain, f"fixed8:{plain.rows}", {})


def machine_for(
    board: Board,
    refusal: Callable[[MachineSpec], str | None],
    rows: str | None = None,
    numbers: Mapping[str, int] | None = None,
) -> Chosen:
    """The board's machine for a network, but for what is given.

    Rows of :func:`default_machine` where they hold the network, else those of
    :func:`plain_machine`. If neither does, the latter where their reason is another one: it is
    not one of rows.

    Parameters
    ----------
    refusal : says why a machine does not hold the network; None if it does
    rows : row classes, their text such as ``fixed8:12,pot4:20``, or a number of plain rows
    numbers : other whole numbers of the specification by name

    Raises
    ------
    UserError
        If the text is no rows, or there is no such machine.
    """
    first, plain = default_machine(board), plain_machine(board)
    if rows is not None:
        return Chosen(machine_from(first, rows, numbers or {}))
    spec = machine_from(first, None, numbers or {})
    reason = refusal(spec)
    if reason is None:
        return Chosen(spec)
    try:
        other = machine_from(plain, None, numbers or {})
    except UserError:
        return Chosen(spec)
    return Chosen(spec) if refusal(other) == reason else Chosen(other, reason)
