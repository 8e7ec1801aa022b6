"""Columns of machines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.errors import UserError
from flows.estimate.machine_points import FORMAT_NAMES, Points
from models.machine.numbers import NUMBERS
from models.machine.spec import MachineSpec
from tests.support.estimate_machines import machines

DERIVED = (
    "word_bytes", "depth_entries", "macs_per_cycle", "beats_per_word", "act_width",
    "weight_width", "acc_width", "scatter",
)  # fmt: skip


@given(st.lists(machines(), max_size=4))
def test_columns_are_the_specs_properties(specs: list[MachineSpec]) -> None:
    points = Points.of(specs, "xc7")
    for name in (*MachineSpec.__dataclass_fields__, *DERIVED):
        if name not in ("classes", "macro"):
            assert getattr(points, name).tolist() == [getattr(s, name) for s in specs], name
    for row, spec in zip(points.format_rows, specs, strict=True):
        assert {n: r for n, r in zip(FORMAT_NAMES, row.tolist(), strict=True) if r} == dict(
            spec.classes
        )
    firsts = [s.classes[0].format if s.classes else None for s in specs]
    assert [FORMAT_NAMES[i] if i >= 0 else None for i in points.first_format] == firsts


def test_the_list_of_numbers_is_the_spec_s() -> None:
    """Columns of the estimator, options of the command line and parameters of sweeps follow it."""
    fields = MachineSpec.__dataclass_fields__.items()
    assert [name for name, field in fields if isinstance(field.default, int)] == [*NUMBERS]


def test_unknown_families_are_told() -> None:
    with pytest.raises(UserError, match=r"^family must be one of xc7, xcup, not 'ice40'$"):
        Points.of([MachineSpec()], "ice40")
    with pytest.raises(UserError, match=r"^families must be 1, one a machine, not 2$"):
        Points.of([MachineSpec()], ["xc7", "xcup"])
