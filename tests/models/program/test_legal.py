"""Limits of fields, by the numbers of docs/program.md and of the arithmetic, not of the table."""

from __future__ import annotations

import pytest

from models.cim.choice import MacroChoice
from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.numerics.rescale import SHIFT_MAX, Rounding
from models.program.layout import (
    FIELDS,
    OUTPUT_WINDOW,
    ROW_ENTRIES,
    TABLE_ENTRIES,
    WORK_WINDOW,
    LoadTarget,
    VectorOp,
    WeightSource,
)
from models.program.legal import broken_rule
from tests.support.specs import FOUR_BIT, MIXED, SMALL

AROUND_A_MACRO = MachineSpec(
    lanes=4, tokens=1, rows=4, vector_lanes=2, depth=64,
    macro=MacroChoice(preset="pim-qat:native", columns=8, slices=2),
)  # fmt: skip

LEGAL = {
    Unit.LOAD: {"beats": 1},
    Unit.WEIGHT: {"tiles": 1, "entries": 1, "rows": 1, "last_lanes": 1},
    Unit.MATRIX: {
        "tiles": 1, "tokens": 1, "width": 1, "kernel_y": 1, "kernel_x": 1, "words": 1,
        "last_beats": 1,
    },
    Unit.VECTOR: {
        "tiles": 1, "rows": 1, "channels": 1, "width": 1, "kernel_y": 1, "kernel_x": 1,
        "mean_shift": 1,
    },
    Unit.STORE: {"window": OUTPUT_WINDOW, "words": 1},
}  # fmt: skip


def broken(spec: MachineSpec, unit: Unit, **fields: int) -> str | None:
    """The rule that a descriptor breaks whose other fields are the smallest legal ones."""
    return broken_rule(spec, unit, {**dict.fromkeys(FIELDS[unit], 0), **LEGAL[unit], **fields})


@pytest.mark.parametrize(
    ("unit", "field", "least", "most"),
    [
        (Unit.LOAD, "target", 0, LoadTarget.ROW_TABLE),
        (Unit.WEIGHT, "source", 0, WeightSource.TRANSPOSED),
        (Unit.WEIGHT, "last_lanes", 1, SMALL.lanes),
        (Unit.MATRIX, "last_beats", 1, SMALL.tokens),
        (Unit.VECTOR, "op", 0, max(VectorOp)),
        (Unit.VECTOR, "rounding", 0, max(Rounding)),
        (Unit.VECTOR, "shift", 0, SHIFT_MAX),
        (Unit.VECTOR, "mean_shift", 1, 40),
        (Unit.VECTOR, "pre_shift", 0, 8),
        (Unit.VECTOR, "table_last", 0, TABLE_ENTRIES - 1),
        (Unit.VECTOR, "row_last", 0, ROW_ENTRIES - 1),
        (Unit.VECTOR, "row_base", 0, ROW_ENTRIES // 2),
        (Unit.VECTOR, "row2_last", 0, ROW_ENTRIES // 2 - 1),
        (Unit.VECTOR, "row_shift", 0, 47),
        (Unit.VECTOR, "row2_shift", 0, 47),
        (Unit.VECTOR, "row_out_shift", 0, SHIFT_MAX),
        (Unit.VECTOR, "row2_out_shift", 0, SHIFT_MAX),
        (Unit.STORE, "window", OUTPUT_WINDOW, WORK_WINDOW),
    ],
)
def test_both_ends_are_legal_and_the_next_values_are_not(
    unit: Unit, field: str, least: int, most: int
) -> None:
    for value in (least, most):
        assert broken(SMALL, unit, **{field: value}) is None
    for value in {max(least - 1, 0), most + 1} - {least}:
        said = broken(SMALL, unit, **{field: value})
        assert said is not None
        assert field in said
        assert said.endswith(f", not {value}")


@pytest.mark.parametrize(
    ("unit", "field"),
    [
        (unit, field)
        for unit, fields in LEGAL.items()
        for field in fields
        if field not in ("last_lanes", "last_beats", "mean_shift", "window")
    ],
)
def test_there_is_something_to_do(unit: Unit, field: str) -> None:
    assert broken(SMALL, unit) is None
    said = broken(SMALL, unit, **{field: 0})
    assert said is not None
    assert said.endswith(", not 0")


@pytest.mark.parametrize(
    ("base", "last", "size"),
    [("table_base", "table_last", TABLE_ENTRIES), ("row_base", "row_last", ROW_ENTRIES)],
)
def test_tables_end_within_their_memory(base: str, last: str, size: int) -> None:
    assert broken(SMALL, Unit.VECTOR, **{base: 3, last: size - 4}) is None
    said = broken(SMALL, Unit.VECTOR, **{base: 3, last: size - 3})
    assert said is not None
    assert said.endswith(f", not {size}")


def test_only_a_machine_with_a_row_order_loads_one() -> None:
    assert MIXED.scatter
    assert broken(MIXED, Unit.LOAD, target=LoadTarget.ORDER) is None
    assert broken(MIXED, Unit.LOAD, target=LoadTarget.ENGINE) is not None


def test_a_machine_around_a_macro_has_no_row_order() -> None:
    """Targets on both sides of it are there."""
    assert AROUND_A_MACRO.macro is not None
    for target in (LoadTarget.ROW_TABLE, LoadTarget.ENGINE):
        assert broken(AROUND_A_MACRO, Unit.LOAD, target=target) is None
    said = broken(AROUND_A_MACRO, Unit.LOAD, target=LoadTarget.ORDER)
    assert said == "target must be 0 to 6 without 5, not 5"


def test_short_drains_are_of_machines_with_rows_for_activations() -> None:
    none = SMALL.with_classes([("pot4", 4)])
    assert (SMALL.dynamic_rows > 0, none.dynamic_rows) == (True, 0)
    assert broken(SMALL, Unit.VECTOR, short=1) is None
    assert broken(none, Unit.VECTOR, short=1) == "short must be 0 to 0, not 1"


def test_limits_are_in_order() -> None:
    assert broken(SMALL, Unit.VECTOR, low=-5, high=-5) is None
    said = broken(SMALL, Unit.VECTOR, low=-5, high=-6)
    assert said == "high - low must be at least 0, not -1"


def test_an_addition_has_smaller_multipliers() -> None:
    """As its operator and its adders have; of another operator they are as wide as the field."""
    for multiplier in (-(1 << 24), (1 << 24) - 1):
        assert broken(SMALL, Unit.VECTOR, op=VectorOp.ADD, multiplier=multiplier) is None
    for multiplier in (-(1 << 24) - 1, 1 << 24, -(1 << 31)):
        said = broken(SMALL, Unit.VECTOR, op=VectorOp.ADD, multiplier=multiplier)
        assert said == f"multiplier must be -16777216 to 16777215, not {multiplier}"
        assert broken(SMALL, Unit.VECTOR, op=VectorOp.MAP, multiplier=multiplier) is None


@pytest.mark.parametrize(("spec", "most"), [(SMALL, 127), (FOUR_BIT, 7)])
@pytest.mark.parametrize("unit", [Unit.WEIGHT, Unit.MATRIX])
def test_a_zero_point_is_a_code(unit: Unit, spec: MachineSpec, most: int) -> None:
    """Less another one it fits the array's operands."""
    for zero in (-most - 1, most):
        assert broken(spec, unit, zero=zero) is None
    for zero in (-most - 2, most + 1):
        said = broken(spec, unit, zero=zero)
        assert said == f"zero must be {-most - 1} to {most}, not {zero}"


def test_codes_of_the_rounding_rules() -> None:
    """They stand in programs: a machine that was built reads them."""
    names = ["FLOOR", "HALF_UP", "HALF_AWAY", "HALF_EVEN", "DOUBLE"]
    assert [(rule.name, rule.value) for rule in Rounding] == list(zip(names, range(5), strict=True))
