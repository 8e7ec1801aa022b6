"""The reset of a start: copies of one register, so that none drives a whole machine."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Elaboratable, Fragment, Module, ResetInserter, Signal

from hdl.rows.kept_register import kept_register
from models.cost.pipelines import RESET_LATENCY


class ResetTree(Elaboratable):
    """Resets parts of a machine, each by a copy of its own of the register behind ``i``.

    Latency from ``i`` to the reset: a part's registers have their initial values two cycles later.

    Parameters
    ----------
    i : one bit, high for a cycle: reset all parts
    family : ``xc7`` or ``xcup`` instantiate flip-flops, which synthesis does not merge again
    """

    LATENCY = RESET_LATENCY

    def __init__(self, i: Signal, family: str = "generic") -> None:
        self.i = i
        self.family = family
        self._copies: list[Signal] = []

    def part(self, component: Any, platform: object, depth: int = 0) -> Elaboratable:
        """A part under the reset; its submodules down to ``depth`` have copies of their own.

        The tree must be elaborated after the last part was made.
        """
        return _Elaborated(self._reset(Fragment.get(component, platform), depth))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for copy in self._copies:
            kept_register(m, self.family, self.i, copy)
        return m

    def _reset(self, fragment: Fragment, depth: int) -> Fragment:
        if not _registers(fragment):
            return fragment
        number = len(self._copies)
        copy = Signal(name=f"reset{number}", attrs={"keep": 1}, reset_less=True)
        self._copies.append(copy)
        if not depth:
            return ResetInserter(copy)(fragment)
        parts, fragment.subfragments = fragment.subfragments, []
        found = ResetInserter(copy)(fragment)
        for part, name, where in parts:
            found.add_subfragment(self._reset(part, depth - 1), name, src_loc=where)
        return found


class _Elaborated(Elaboratable):
    """A fragment as a submodule."""

    def __init__(self, fragment: Fragment) -> None:
        self.fragment = fragment

    def elaborate(self, platform: object) -> Fragment:
        return self.fragment


def _registers(fragment: Fragment) -> bool:
    """Flag: it has registers, memories aside, in itself or in its parts."""
    return any(domain != "comb" for domain in fragment.statements) or any(
        _registers(part) for part, _, _ in fragment.subfragments
    )
