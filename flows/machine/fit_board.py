"""The machine that a network gets on a board unless the user names one: default, larger, or none.

A network that the board's machine holds runs on it as it is. Another one gets, in this order:
larger memories; plain rows with larger memories; rows of the formats that its file names. The first
of these that holds the network and whose estimate fits the device is taken. What the mapper can
place in another way it does not refuse, and nothing is enlarged for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from flows.boards import BOARDS, Board
from flows.boards.board import DEVICE, RESOURCES
from flows.errors import UserError
from flows.machine.choose import machine_from
from flows.machine.default import Change, Chosen, default_machine, machine_for, plain_machine
from flows.machine.file_rows import with_rows_of
from flows.machine.needs import Needs
from models.machine.numbers import OPTIONS
from models.machine.rules import SCRATCHPAD_WORDS_MAX, TOKENS_MAX
from models.machine.spec import MachineSpec

__all__ = ["Cost", "fitted_machine"]

Cost = Callable[[MachineSpec, Board], Mapping[str, int]]
"""Estimated cost of a machine on a board, by the names of :data:`flows.boards.board.DEVICE`."""


_SCRATCHPAD = ("tokens", "banks", "bank_words")


@dataclass(frozen=True)
class _Try:
    """A machine that holds the network, why its rows are plain if they are, and what it lacks."""

    chosen: Chosen
    lacks: Mapping[str, int]


def fitted_machine(board: Board, needs: Needs, cost: Cost) -> Chosen:
    """The board's machine, with what the network needs besides and the reasons for that.

    A network that no such machine holds at all gets the board's own one, or that with plain rows,
    on which its mapping fails with the mapper's reason.

    Raises
    ------
    UserError
        If a machine that holds the network is larger than the device: the resources that are short,
        by how much, and the board that would do.
    """
    usual = machine_for(board, needs.refusal)
    if needs.refusal(usual.spec) is None:
        return usual
    tried = []
    for one in _tries(board, needs, cost):
        if not one.lacks:
            return one.chosen
        tried.append(one)
    other = _elsewhere(board, needs, cost)
    if not tried and other is not None:
        raise UserError(f"{needs.name}: {needs.refusal(usual.spec)}; --board {other.name} would do")
    if not tried:
        # A reason that names plain rows as the way out is none where these do not hold it either.
        plain, reason = plain_machine(board), needs.refusal(usual.spec)
        return usual if needs.refusal(plain) == reason else Chosen(plain, reason)
    way = "no known board would do" if other is None else f"--board {other.name} would do"
    raise UserError(f"{needs.name}: {_short(tried, board)}; {way}")


def _tries(board: Board, needs: Needs, cost: Cost) -> Iterator[_Try]:
    default, plain = default_machine(board), plain_machine(board)
    reason = ""
    for start in (default, plain, *with_rows_of(default, needs.formats)):
        plain_for = None if start.classes else reason or None
        changes = []
        if start.classes != default.classes and start.classes:
            changes.append(Change("rows", _rows(start), _rows(default), reason))
        whys: list[str] = []
        for enlarged in _enlarged(start, needs, whys):
            larger, grown = _grown(start, enlarged, needs)
            lacks = _lacks(cost(larger, board), board)
            yield _Try(Chosen(larger, plain_for, (*changes, *grown)), lacks)
            whys.append(_lack_text(lacks, board))
        reason = reason or "".join(whys[:1])


def _enlarged(start: MachineSpec, needs: Needs, whys: list[str]) -> Iterator[MachineSpec]:
    """Machines with larger memories that hold a network; reasons why there are none go to ``whys``.

    First as the mapper asks for it, which is a scratchpad before all else. Then with what else the
    network would need if the scratchpad were no limit: tensors may have places outside of one.
    """
    found: MachineSpec | None = None
    try:
        found = needs.enlarged(start)
        yield found
    except ValueError as error:
        whys.append(str(error))
    try:
        wide = needs.enlarged(_wide(start))
        other = {name: getattr(wide, name) for name in OPTIONS if name not in _SCRATCHPAD}
        second = needs.enlarged(machine_from(start, None, other))
    except (ValueError, UserError) as error:
        whys.append(str(error))
    else:
        if second != found:
            yield second


def _wide(spec: MachineSpec) -> MachineSpec:
    """The machine with a scratchpad that most networks' tensors are small in."""
    tokens = spec.tokens * max(1, TOKENS_MAX // 2 // spec.tokens)
    return machine_from(
        spec, None, {"tokens": tokens, "bank_words": SCRATCHPAD_WORDS_MAX // spec.banks}
    )


def _grown(
    start: MachineSpec, larger: MachineSpec, needs: Needs
) -> tuple[MachineSpec, list[Change]]:
    """The machine without growth that is of no use, and the reason for every other one."""
    changes = []
    for name in OPTIONS:
        before, value = getattr(start, name), getattr(larger, name)
        if before == value:
            continue
        smaller = machine_from(larger, None, {name: before})
        why = needs.refusal(smaller)
        if why is None:
            larger = smaller
        else:
            # A tensor that has no place may be what is told first.
            wide = None if name in _SCRATCHPAD else needs.refusal(_wide(smaller))
            why = (wide or why).partition("; ")[0]
            changes.append(Change(name, f"{value:,}", f"{before:,}", why))
    return larger, changes


def _rows(spec: MachineSpec) -> str:
    return ",".join(map(str, spec.classes)) or str(spec.rows)


def _lacks(cost: Mapping[str, int], board: Board) -> dict[str, int]:
    """What the machine takes of resources that the device has less of."""
    has = {name: getattr(board.resources, field) for name, field in DEVICE.items()}
    return {name: cost[name] for name in DEVICE if cost[name] > has[name]}


def _lack_text(lacks: Mapping[str, int], board: Board) -> str:
    """What is short, and by how much."""
    said = []
    for name, wanted in lacks.items():
        has = getattr(board.resources, DEVICE[name])
        said.append(
            f"{RESOURCES[name]} must be at least {wanted:,}, not the {has:,} of {board.name} "
            f"({wanted - has:,} short)"
        )
    return " and ".join(said)


def _short(tried: Sequence[_Try], board: Board) -> str:
    """What is short for the machine that comes nearest."""

    def excess(one: _Try) -> float:
        has = {name: int(getattr(board.resources, field)) for name, field in DEVICE.items()}
        return max(wanted / has[name] for name, wanted in one.lacks.items())

    one = min(tried, key=excess)
    changes = "; ".join(map(str, one.chosen.changes))
    return f"{_lack_text(one.lacks, board)}, for a machine with {changes}"


def _some_fits(board: Board, needs: Needs, cost: Cost) -> bool:
    return any(not one.lacks for one in _tries(board, needs, cost))


def _elsewhere(board: Board, needs: Needs, cost: Cost) -> Board | None:
    """The smallest other board that a machine for the network fits."""
    for other in sorted(BOARDS, key=lambda one: one.resources.luts):
        if other.resources == board.resources:
            continue
        usual = machine_for(other, needs.refusal).spec
        if needs.refusal(usual) is None or _some_fits(other, needs, cost):
            return other
    return None
