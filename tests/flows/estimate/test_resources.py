"""Resource estimates: what is exact, what is monotonic, what is told, and the error of the rest."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.estimate_error import ERRORS, resource_errors
from flows.errors import UserError
from flows.estimate.machine_points import FAMILIES, Points
from flows.estimate.resources.resources import (
    calibration_data,
    estimate_resources,
    resource_columns,
)
from hdl.rows.choose import row_blocks
from models.cost.memories import block_rams
from models.formats.row_classes import RowClass
from models.machine.spec import MachineSpec
from tests.support.estimate_machines import machines

FIGURES = ("lut", "ff", "dsp", "bram36")
families = st.sampled_from(FAMILIES)


@settings(max_examples=25)
@given(st.lists(st.tuples(machines(), families), min_size=1, max_size=4))
def test_many_machines_are_estimated_as_each_by_itself(some: list[tuple[MachineSpec, str]]) -> None:
    columns = resource_columns(Points.of([spec for spec, _ in some], [f for _, f in some]))
    for index, (spec, family) in enumerate(some):
        alone = estimate_resources(spec, family)
        for name in FIGURES:
            assert getattr(columns, name)[index] == getattr(alone, name), name
        told = " ".join(note for note in alone.notes if "outside the calibrated range" in note)
        outside = {name for name, out in columns.outside.items() if out[index]}
        assert set(re.findall(r"(\w+) = ", told)) == outside


@settings(max_examples=25)
@given(machines(), families)
def test_block_ram_and_dsp_slices_are_exact(spec: MachineSpec, family: str) -> None:
    found = estimate_resources(spec, family)
    assert found.bram36 == block_rams(spec)
    if not spec.classes:
        array = spec.macs_per_cycle
    else:
        blocks = row_blocks(
            [(kind.format, kind.rows) for kind in spec.classes],
            family=family,
            tokens=spec.tokens,
            lanes=spec.lanes,
            act_bits=spec.act_bits,
        )
        array = sum(b.cost.dsps for b in blocks)
    assert found.dsp == array + 5 * spec.vector_lanes + 2


@settings(max_examples=25)
@given(machines(), families, st.data())
def test_a_larger_machine_is_never_cheaper(
    spec: MachineSpec, family: str, data: st.DataObject
) -> None:
    changes: list[dict[str, object]] = [
        {"banks": 2 * spec.banks},
        {"param_entries": 2 * spec.param_entries},
        {"queue_depth": 2 * spec.queue_depth},
    ]
    if spec.classes:
        grown = tuple(RowClass(kind.format, 2 * kind.rows) for kind in spec.classes)
        changes.append({"rows": 2 * spec.rows, "classes": grown})
        if spec.act_bits < 8 and not any(kind.fixed for kind in spec.classes):
            changes.append({"act_bits": spec.act_bits + 1})
    else:
        changes.append({"tokens": 2 * spec.tokens})
    larger = replace(spec, **data.draw(st.sampled_from(changes)))  # type: ignore[arg-type]
    before, after = estimate_resources(spec, family), estimate_resources(larger, family)
    for name in FIGURES:
        assert getattr(after, name) >= getattr(before, name), name


def test_extrapolation_is_told() -> None:
    low, high = calibration_data()["ranges"]["tokens"]
    inside = MachineSpec(lanes=8, tokens=2, rows=8)
    assert estimate_resources(inside, "xc7").notes == ()
    outside = replace(inside, tokens=32)
    assert high < 32
    (note,) = estimate_resources(outside, "xc7").notes
    ranges = calibration_data()["ranges"]
    words, parts = (" to ".join(map(str, ranges[name])) for name in ("word_bytes", "subwords"))
    assert note == (
        f"outside the calibrated range: tokens = 32 ({low} to {high}), word_bytes = 256 ({words}), "
        f"subwords = 32 ({parts}); LUTs and flip-flops are extrapolated"
    )


def test_parameters_that_extrapolate_in_combination_are_told() -> None:
    """16 lanes and 6 tokens are calibrated each; words of 96 bytes and 48 parts of one are not."""
    spec = MachineSpec(lanes=16, tokens=6, rows=8, vector_lanes=2, bank_words=2048)
    (note,) = estimate_resources(spec, "xc7").notes
    assert note.startswith("outside the calibrated range: word_bytes = 96 (4 to ")
    assert "subwords = 48 (2 to " in note


def test_row_classes_without_a_calibration_point_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(calibration_data()["parts"]["binary rows"], "points", 0)
    spec = MachineSpec().with_classes([("binary", 8)])
    assert estimate_resources(spec, "xc7").notes == (
        "rows of binary have no calibration point: their LUTs and flip-flops are counted only",
    )


def test_families_without_an_estimate_are_told() -> None:
    with pytest.raises(UserError, match=r"^family must be one of xc7, xcup, not 'generic'$"):
        estimate_resources(MachineSpec(), "generic")


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
def test_errors_on_machines_not_fitted_to() -> None:
    """From the stored figures of Yosys; docs/guides/estimate.md has the table."""
    errors = resource_errors()
    assert errors == pytest.approx(json.loads(ERRORS.read_text()))
    assert errors["machines"] >= 100
    assert errors["dsp_max_error"] == 0
    assert errors["bram_max_error"] == 0
    for metric in ("lut", "ff"):
        assert errors[f"{metric}_median"] <= 0.05
        assert errors[f"{metric}_p95"] <= 0.15


@settings(max_examples=10)
@given(st.integers(1, 400))
def test_columns_of_any_length(count: int) -> None:
    columns = resource_columns(Points.of([MachineSpec()] * count, "xcup"))
    assert columns.lut.shape == (count,)
    assert len(np.unique(columns.lut)) == 1
