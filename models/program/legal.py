"""Legal field values of descriptors: one table for golden machine, RTL and documents.

Illegal values would make a loop endless or a table index wrap. Addresses, windows, parameters and
weight entries are checked separately, on use.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.numerics.rescale import SHIFT_MAX, Rounding
from models.ops.row_function import VALUE_BITS
from models.program.layout import (
    OUTPUT_WINDOW,
    ROW_ENTRIES,
    TABLE_ENTRIES,
    WORK_WINDOW,
    LoadTarget,
    VectorOp,
    WeightSource,
)


class Rule(NamedTuple):
    """The sum of ``fields``, less ``minus``, must be ``low`` to ``high``, and not ``without``.

    None as ``high`` is limited by the field's width only, as ``without`` it is no value. With an
    ``op`` it is a rule of the vector operator alone.
    """

    fields: tuple[str, ...]
    low: int
    high: int | None
    without: int | None = None
    op: int | None = None
    minus: str | None = None

    def total(self, values: Mapping[str, int]) -> int:
        """What is compared."""
        less = 0 if self.minus is None else values[self.minus]
        return sum(values[name] for name in self.fields) - less

    def holds(self, values: Mapping[str, int]) -> bool:
        """Test that a descriptor obeys the rule."""
        if self.op is not None and values["op"] != self.op:
            return True
        total = self.total(values)
        if total == self.without:
            return False
        return self.low <= total and (self.high is None or total <= self.high)

    def __str__(self) -> str:
        span = f"at least {self.low}" if self.high is None else f"{self.low} to {self.high}"
        if self.without is not None:
            span += f" without {self.without}"
        less = "" if self.minus is None else f" - {self.minus}"
        return f"{' + '.join(self.fields)}{less} must be {span}"


@lru_cache(maxsize=16)
def rules(spec: MachineSpec) -> dict[Unit, tuple[Rule, ...]]:
    """Return the rules of every unit of a machine."""

    def some(*names: str) -> tuple[Rule, ...]:
        return tuple(Rule((name,), 1, None) for name in names)

    targets = LoadTarget.ORDER if spec.scatter else LoadTarget.ROW_TABLE
    absent = None
    if spec.macro is not None:
        targets = LoadTarget.ENGINE
        absent = None if spec.scatter else LoadTarget.ORDER
    codes = 1 << spec.act_bits - 1
    sources = WeightSource.TRANSPOSED if spec.dynamic_rows else WeightSource.STREAM
    return {
        Unit.LOAD: (Rule(("target",), 0, targets, absent), *some("beats")),
        Unit.WEIGHT: (
            Rule(("source",), 0, sources),
            *some("tiles", "entries", "rows"),
            Rule(("last_lanes",), 1, spec.lanes),
            Rule(("zero",), -codes, codes - 1),
        ),
        Unit.MATRIX: (
            *some("tiles", "tokens", "width", "kernel_y", "kernel_x", "words"),
            Rule(("last_beats",), 1, spec.tokens),
            Rule(("zero",), -codes, codes - 1),
        ),
        Unit.VECTOR: (
            Rule(("op",), 0, max(VectorOp)),
            Rule(("short",), 0, int(spec.dynamic_rows > 0)),
            *(Rule((name,), 0, int(spec.part_sums > 0)) for name in ("keep_sums", "take_sums")),
            Rule(("rounding",), 0, max(Rounding)),
            *some("tiles", "rows", "channels", "width", "kernel_y", "kernel_x"),
            Rule(("shift",), 0, SHIFT_MAX),
            Rule(("multiplier",), -(1 << 24), (1 << 24) - 1, op=VectorOp.ADD),
            Rule(("high",), 0, None, minus="low"),
            Rule(("mean_shift",), 1, 40),
            Rule(("pre_shift",), 0, 8),
            Rule(("table_base", "table_last"), 0, TABLE_ENTRIES - 1),
            Rule(("row_base", "row_last"), 0, ROW_ENTRIES - 1),
            Rule(("row_base",), 0, ROW_ENTRIES // 2),
            Rule(("row2_base", "row2_last"), 0, ROW_ENTRIES // 2 - 1),
            *(Rule((f"{row}_shift",), 0, VALUE_BITS - 1) for row in ("row", "row2")),
            *(Rule((f"{row}_out_shift",), 0, SHIFT_MAX) for row in ("row", "row2")),
        ),
        Unit.STORE: (Rule(("window",), OUTPUT_WINDOW, WORK_WINDOW), *some("words")),
    }


def broken_rule(spec: MachineSpec, unit: Unit, values: Mapping[str, int]) -> str | None:
    """Return an error message for a descriptor's fields; None if they are legal."""
    for rule in rules(spec)[unit]:
        if not rule.holds(values):
            return f"{rule}, not {rule.total(values)}"
    return None
