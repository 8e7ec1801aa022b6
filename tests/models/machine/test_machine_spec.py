"""The machine's spec: what is refused, and the widths and the fingerprint that follow from it."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from models.cim.choice import MacroChoice
from models.cim.cim_spec import CimSpec, Decomposition
from models.formats.row_classes import RowClass, row_classes
from models.machine.fingerprint import REVISION
from models.machine.rules import RULES
from models.machine.spec import MachineSpec
from tests.support.specs import DEFAULT, MIXED, ODD, SMALL

ILLEGAL: list[tuple[dict[str, Any], str]] = [
    ({"rows": 5}, "rows must be a divisor of tokens * lanes = 16, not 5"),
    ({"rows": 32}, "rows must be a divisor of tokens * lanes = 16, not 32"),
    (
        {"vector_lanes": 3},
        "vector_lanes must be a divisor of rows = 8 and half a divisor of 16, not 3",
    ),
    (
        {"rows": 16, "vector_lanes": 16},
        "vector_lanes must be a divisor of rows = 16 and half a divisor of 16, not 16",
    ),
    ({"depth": 2050}, "depth must be a multiple of lanes = 8 up to 8192, not 2050"),
    ({"depth": 8200}, "depth must be a multiple of lanes = 8 up to 8192, not 8200"),
    ({"banks": 3}, "banks must be a power of two, not 3"),
    ({"bank_words": 1000}, "bank_words must be a power of two, not 1000"),
    ({"param_entries": 100}, "param_entries must be a power of two, not 100"),
    ({"row_group": 12}, "row_group must be a power of two up to 64, not 12"),
    ({"row_group": 128}, "row_group must be a power of two up to 64, not 128"),
    ({"axi_width": 256}, "axi_width must be 32, 64 or 128, not 256"),
    ({"tokens": 64}, "tokens must be at most 32, not 64"),
    ({"rows": 1, "vector_lanes": 1}, "rows must be at least 2, not 1"),
    ({"depth": 8}, "depth must be at least twice lanes = 8, not 8"),
    ({"bank_words": 1}, "bank_words must be at least 2, not 1"),
    ({"param_entries": 1}, "param_entries must be at least 2, not 1"),
    ({"row_group": 1}, "row_group must be at least 2, not 1"),
    ({"queue_depth": 1}, "queue_depth must be at least 2, not 1"),
    ({"part_sums": 100}, "part_sums must be 0, or a power of two from 2 to 16384, not 100"),
    ({"part_sums": 1}, "part_sums must be 0, or a power of two from 2 to 16384, not 1"),
    ({"banks": 64}, "banks * bank_words must be at most 131072, not 262144"),
    ({"rows": 12, "classes": (("fixed8", 8),)}, "rows must be the sum of its classes, 8, not 12"),
    ({"act_bits": 4}, "act_bits must be 8 without row classes, not 4"),
    ({"act_bits": 9, "classes": (("fixed8", 8),)}, "act_bits must be 4 to 8, not 9"),
    ({"act_bits": 3, "classes": (("fixed8", 8),)}, "act_bits must be 4 to 8, not 3"),
    (
        {"classes": (("pot4", 4), ("fixed8", 4))},
        "fixed row classes must come first, not fixed8 after another one",
    ),
    (
        {"classes": (("fixed8", 4), ("fixed8", 4))},
        "a row class must be given once, not fixed8 twice",
    ),
    (
        {"classes": (("fixed8", 0),)},
        "rows of a class must be a positive whole number, not 0; for example fixed8:12,pot4:20",
    ),
    ({"lanes": 8.0}, "lanes must be a positive whole number, not 8.0"),
    ({"depth": "2048"}, "depth must be a positive whole number, not '2048'"),
]


@pytest.mark.parametrize(("change", "text"), ILLEGAL, ids=lambda part: str(part)[:30])
def test_refused(change: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        MachineSpec(**change)


def first_broken(change: dict[str, Any]) -> int | None:
    """Index of the first rule that a machine with these parameters breaks."""
    spec = object.__new__(MachineSpec)
    for name in MachineSpec.__dataclass_fields__:
        value = change.get(name, getattr(MachineSpec, name))
        object.__setattr__(spec, name, row_classes(value) if name == "classes" else value)
    return next((i for i, rule in enumerate(RULES) if not rule.holds(spec)), None)


def test_every_rule_is_broken_by_a_case() -> None:
    """A rule that is added comes with a case, and none can be taken away unseen."""
    own = {name for change, _ in ILLEGAL for name in change}
    assert own <= MachineSpec.__dataclass_fields__.keys()
    numbers = [c for c, _ in ILLEGAL if all(isinstance(v, (int, tuple)) for v in c.values())]
    refused_before = ("fixed row classes", "a row class must", "rows of a class")
    texts = {id(change): text for change, text in ILLEGAL}
    found = {
        first_broken(change)
        for change in numbers
        if not texts[id(change)].startswith(refused_before)
    }
    assert found == set(range(len(RULES)))


@pytest.mark.parametrize(
    "name", [name for name in asdict(MachineSpec()) if name not in ("classes", "macro")]
)
@pytest.mark.parametrize("value", [0, -1])
def test_no_parameter_is_below_one(name: str, value: int) -> None:
    change: dict[str, Any] = {name: value}
    if (name, value) == ("part_sums", 0):
        assert MachineSpec(**change) == MachineSpec()
        return
    with pytest.raises(ValueError, match=f"^{name} must be a positive whole number, not {value}$"):
        MachineSpec(**change)


@st.composite
def any_spec(draw: st.DrawFn) -> MachineSpec:
    """Machines of any legal shape."""
    vector_lanes, groups = draw(st.integers(1, 9)), draw(st.integers(1, 4))
    rows = vector_lanes * groups
    assume(rows >= 2)
    word = math.lcm(rows, 2 * vector_lanes) * draw(st.integers(1, 4))
    tokens = draw(st.sampled_from([t for t in range(1, 33) if word % t == 0]))
    lanes = word // tokens
    return MachineSpec(
        lanes=lanes,
        tokens=tokens,
        rows=rows,
        vector_lanes=vector_lanes,
        depth=lanes * draw(st.integers(2, 8192 // lanes)),
    )


@settings(max_examples=200)
@given(spec=any_spec(), axi_width=st.sampled_from([32, 64, 128]))
def test_widths_follow(spec: MachineSpec, axi_width: int) -> None:
    """The worst sum fits its accumulator, with one bit to spare at most; words fill whole beats."""
    spec = replace(spec, axi_width=axi_width)
    least, most = -(1 << spec.act_width - 1), (1 << spec.act_width - 1) - 1
    worst = {spec.depth * a * b for a in (least, most) for b in (least, most)}
    assert -(1 << spec.acc_width - 1) <= min(worst)
    assert max(worst) < 1 << spec.acc_width - 1
    assert max(worst) >= 1 << spec.acc_width - 3
    assert spec.word_pitch % spec.axi_bytes == 0
    assert 0 <= spec.word_pitch - spec.word_bytes < spec.axi_bytes
    assert spec.beats_per_word * spec.axi_bytes == spec.word_pitch
    assert spec.subwords * spec.vector_lanes == spec.word_bytes
    assert spec.subwords % 2 == 0  # 16-bit elements fill words, too


def test_fingerprints_differ() -> None:
    """A change of any one parameter gives another fingerprint, of 32 bits; equal specs share it."""
    other: dict[str, Any] = {
        "lanes": 16, "tokens": 4, "rows": 16, "vector_lanes": 4, "depth": 1024, "banks": 2,
        "bank_words": 2048, "param_entries": 256, "row_group": 8, "axi_width": 32,
        "queue_depth": 8, "part_sums": 64,
    }  # fmt: skip
    base = MachineSpec(rows=8, classes=(RowClass("fixed8", 8),))
    other |= {"act_bits": 7, "rows": 16, "classes": (("fixed8", 4), ("pot4", 4))}
    assert {*other, "macro"} == asdict(base).keys()
    wider = (("fixed8", 16),)
    changed = [replace(base, **{k: v} if k != "rows" else {k: v, "classes": wider})
               for k, v in other.items()]  # fmt: skip
    macro = MacroChoice(preset="relu-macro", columns=16, slices=1)
    around = MachineSpec(tokens=1, lanes=16, rows=16, depth=576, macro=macro)
    dies = [around, *(replace(around, macro=replace(macro, die=n)) for n in (1, 2))]
    specs = [base, MachineSpec(), SMALL, ODD, MIXED, *changed, *dies]
    marks = [spec.fingerprint for spec in specs]
    assert len(set(marks)) == len(specs)
    assert all(0 <= mark < 1 << 32 for mark in marks)
    assert replace(base).fingerprint == base.fingerprint


@settings(max_examples=100)
@given(one=any_spec(), two=any_spec())
def test_fingerprint_names_the_machine(one: MachineSpec, two: MachineSpec) -> None:
    assume(one != two)
    assert one.fingerprint != two.fingerprint


def test_a_field_that_is_added_changes_no_fingerprint() -> None:
    """Unless it is not at its default; programs of before go on to run."""

    @dataclass(frozen=True, kw_only=True)
    class Later(MachineSpec):
        added: int = 3

    for spec in (DEFAULT, SMALL, MIXED):
        own = {f.name: getattr(spec, f.name) for f in fields(spec)}
        assert Later(**own).fingerprint == spec.fingerprint
        assert Later(**own, added=4).fingerprint != spec.fingerprint


def test_defaults_stay() -> None:
    """The fingerprint leaves them out: where one changes, REVISION beside it must be raised."""
    assert REVISION == 1
    assert asdict(MachineSpec()) == {
        "lanes": 8, "tokens": 2, "rows": 8, "vector_lanes": 8, "depth": 2048, "banks": 4,
        "bank_words": 4096, "param_entries": 512, "row_group": 16, "axi_width": 64,
        "queue_depth": 4, "act_bits": 8, "part_sums": 0, "classes": (), "macro": None,
    }  # fmt: skip
    assert asdict(CimSpec()) == {
        "rows": 256, "columns": 512, "cells_per_unit": 1, "group": 0,
        "decomposition": Decomposition.BIT_SERIAL, "weight_bits": 8, "cell_bits": 1, "act_bits": 8,
        "dac_bits": 1, "adc_bits": 7, "fraction": 8, "relu": False, "zero_skip": False, "slices": 0,
        "physics": {
            "unit_cap_ff": 1.0, "density_ff_um2": 2.0, "mismatch_percent_um": 1.0,
            "parasitic_ff": 20.0, "parasitic_percent": 2.0, "supply_mv": 800.0,
            "temperature_k": 300.0, "comparator_noise_mv": 1.0, "comparator_offset_mv": 2.0,
            "cdac_unit_ff": 2.0, "bow_lsb": 0.0, "curve_lsb": (),
        },
    }  # fmt: skip
    assert asdict(MacroChoice(preset="relu-macro", columns=16, slices=1)) == {
        "preset": "relu-macro", "columns": 16, "slices": 1, "adc_bits": 0, "die": 0,
        "static": True, "dynamic": True,
    }  # fmt: skip


def test_a_macro_is_named_by_its_physics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by its preset: the same name with other physics is another machine."""
    choice = MacroChoice(preset="relu-macro", columns=16, slices=1)
    spec = MachineSpec(tokens=1, lanes=16, rows=16, depth=576, macro=choice)
    before, cim = spec.fingerprint, choice.spec
    physics = replace(cim.physics, temperature_k=310.0)
    monkeypatch.setattr(MacroChoice, "spec", replace(cim, physics=physics))
    assert spec.fingerprint != before
    monkeypatch.setattr(MacroChoice, "spec", replace(cim))
    assert spec.fingerprint == before
    assert replace(spec, macro=replace(choice, adc_bits=cim.adc_bits)).fingerprint == before
