"""Every unit of the machine is known to all parts that have a table of units, and has its tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flows.estimate.machine_points import Points
from flows.estimate.resources.parts import machine_parts
from flows.estimate.resources.resources import calibration_data
from flows.estimate.resources.unit_terms import unit_terms
from models.golden.machine import EXECUTE
from models.machine.units import UNITS, WORKING_UNITS, Unit
from models.program.layout import FIELDS, HEADER, width
from models.program.legal import rules
from tests.models.program.test_legal import LEGAL
from tests.support.specs import SMALL

ROOT = Path(__file__).parents[2]
RECIPE = "see docs/how-to/unit.md"
each_unit = pytest.mark.parametrize("unit", WORKING_UNITS, ids=lambda unit: unit.name.lower())


def test_wait_and_signal_have_a_bit_for_each_unit() -> None:
    assert (HEADER["wait"].bits, HEADER["signal"].bits, width(HEADER)) == (UNITS, UNITS, 32)


@each_unit
def test_its_descriptors(unit: Unit) -> None:
    assert FIELDS.get(unit), f"FIELDS of models/program/layout.py must have {unit.name}; {RECIPE}"
    for place, table in (
        ("rules of models/program/legal.py", rules(SMALL)),
        ("EXECUTE of models/golden/machine.py", EXECUTE),
        ("LEGAL of tests/models/program/test_legal.py", LEGAL),
    ):
        assert unit in table, f"{place} must have {unit.name}; {RECIPE}"
    assert set(LEGAL[unit]) <= set(FIELDS[unit])


@each_unit
def test_its_resources_are_estimated(unit: Unit) -> None:
    name = unit.name.lower()
    parts = {part.name for part in machine_parts(SMALL, "xc7")}
    assert name in parts, f"flows/estimate/resources/parts.py must have a part {name!r}; {RECIPE}"
    terms = unit_terms(Points.of([SMALL], "xc7"))
    assert name in terms, f"flows/estimate/resources/unit_terms.py must have {name!r}; {RECIPE}"
    fitted = calibration_data()["parts"]
    assert name in fitted, (
        f"flows/estimate/data/resource_coefficients.json must have {name!r}: measure the part and "
        "fit (docs/contributing.md#calibration); until then estimates end with a KeyError"
    )


@each_unit
def test_it_is_tested_and_described(unit: Unit) -> None:
    name = unit.name.lower()
    tests = {path.name for path in (ROOT / "tests" / "hdl").rglob("test_*_unit.py")}
    assert f"test_{name}_unit.py" in tests, f"tests/hdl/units/test_{name}_unit.py must be there"
    page = (ROOT / "docs" / "program.md").read_text()
    described = re.search(rf"^### {name}$", page, re.M | re.I)
    assert described, f"docs/program.md must have a section '### {name.capitalize()}'; {RECIPE}"
