"""Points around a macro."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flows.cli import main
from flows.sweep.definition import Definition, point_key
from flows.sweep.evaluate import evaluate
from flows.sweep.measure import SIMULATION, SYNTHESIS
from flows.sweep.model_mark import model_mark
from flows.sweep.point_store import Store
from flows.sweep.stored_sweep import read_store
from flows.sweep.sweep_run import fronts, sweep
from flows.sweep.sweep_workers import local_workers
from models.cim.presets import find_preset

pytestmark = pytest.mark.slow

CNN = str(Path(__file__).resolve().parents[3] / "examples" / "fashion_mnist" / "resnet_int8.onnx")
PIM = {"network": CNN, "engine": "cim:pim-qat:differential"}
DIGITAL_ONLY = "must be of a digital machine, not of one around cim:pim-qat:differential"
STEADY = "engine must be one whose cycles do not depend on images"
Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("engine", ["cim:relu-macro", "cim:pim-qat:differential"])
@pytest.mark.parametrize("bits", [None, 5])
def test_figures_are_those_of_estimate(engine: str, bits: int | None, capsys: Capture) -> None:
    point: dict[str, Any] = {"network": CNN, "engine": engine, "clock_mhz": 80.0}
    words = ["estimate", "--network", CNN, "--engine", engine, "--clock", "80", "--json"]
    if bits is not None:
        point["adc_bits"] = bits
        words += ["--adc-bits", str(bits)]
    assert main(words) == 0
    said = json.loads(capsys.readouterr().out)
    (outcome,) = evaluate([point])
    network = said["network"]
    assert outcome.value == {
        "cycles": network["cycles"],
        "fps": round(network["frames_per_second"], 4),
        "gops": round(network["gops"], 4),
        "conversions": network["conversions"],
        "columns": said["macro"]["columns"],
    }


@pytest.mark.parametrize(
    ("point", "line"),
    [
        (
            {**PIM, "engine": "cmi:pim-qat"},
            "engine must be digital or cim:PRESET, such as cim:relu-macro, not 'cmi:pim-qat'",
        ),
        (
            {**PIM, "engine": "cim:forms"},
            f"{STEADY}, such as cim:forms:unskipped (an upper bound), not cim:forms",
        ),
        ({**PIM, "adc_bits": 11}, "engine: ADC bits must be 1 to 10, not 11"),
        ({**PIM, "lanes": 8}, f"lanes {DIGITAL_ONLY}"),
        ({**PIM, "policy": "rmsmp"}, f"policy {DIGITAL_ONLY}"),
        ({**PIM, "bandwidth_mb_s": 400.0}, f"bandwidth_mb_s {DIGITAL_ONLY}"),
        (
            {**PIM, "network": "deit-tiny"},
            "network must be a file with engine cim:pim-qat:differential, not deit-tiny",
        ),
        ({"engine": "cim:cap-ram"}, "network must be a file with engine cim:cap-ram, not none"),
        (
            {"network": CNN, "adc_bits": 7},
            "adc_bits must be of a macro, such as engine=cim:relu-macro, not of a digital machine",
        ),
    ],
)
def test_refusals_leave_the_others_be(point: dict[str, Any], line: str) -> None:
    good, bad, digital = evaluate([PIM, point, {"network": CNN, "engine": "digital"}])
    assert (bad.value, bad.error) == (None, line)
    assert good.value is not None
    assert digital.value == evaluate([{"network": CNN}])[0].value


def test_a_preset_that_is_none() -> None:
    (outcome,) = evaluate([{**PIM, "engine": "cim:pin-qat"}])
    assert outcome.error is not None
    assert outcome.error.startswith("engine: preset must be one of cap-ram, ")
    assert outcome.error.endswith(", not 'pin-qat'")


def test_no_front_and_no_other_stage(tmp_path: Path) -> None:
    """Points without a cost do not win for that; what cannot be run of them is said."""
    fast: dict[str, str | int | float] = {
        "network": CNN,
        "engine": "cim:relu-macro",
        "clock_mhz": 5000.0,
    }
    definition = Definition({}, [fast, {"network": CNN, "rows": "fixed8:8"}])
    known = {one.point: one.value for one in evaluate(list(definition)) if one.value is not None}
    assert known[point_key(fast)]["fps"] == max(value["fps"] for value in known.values())
    assert [mine for _, mine in fronts(known, known)] == [[point_key(definition.points[1])]]

    store = Store(tmp_path / "s.sqlite", model_mark())
    macros = Definition({}, [fast])
    sweep(macros, store, local_workers(1), synthesise="front", simulate="front")
    assert not store.done(SYNTHESIS) | store.done(SIMULATION)
    sweep(macros, store, local_workers(1), synthesise="all", simulate="all")
    said = {outcome.stage: outcome.error for outcome in store.outcomes() if outcome.error}
    store.close()
    assert said == {
        SYNTHESIS: "machine must be digital to be synthesised, not cim:relu-macro: synthesis "
        "works part by part, and a macro is not one of the parts",
        SIMULATION: "machine must be digital to be simulated in a sweep, not cim:relu-macro: a "
        "macro's converters are set on calibration images, which a sweep does not have",
    }


def test_a_stored_point_has_what_it_was_estimated_with(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite", model_mark())
    store.put(evaluate([PIM, {**PIM, "engine": "cim:nobody"}, {**PIM, "adc_bits": 5}]))
    store.close()
    points = [entry.point for entry in read_store(tmp_path / "s.sqlite").entries]
    own = {"board": "arty-z7-20", "clock_mhz": 100.0}
    preset = find_preset("pim-qat:differential").adc_bits
    assert sorted(points, key=str) == sorted(
        [
            {**own, **PIM, "adc_bits": 5},
            {**own, **PIM, "adc_bits": preset},
            {**own, **PIM, "engine": "cim:nobody"},
        ],
        key=str,
    )


def test_command_line(tmp_path: Path, capsys: Capture) -> None:
    arguments = ["sweep", "--set", f"network={CNN}", "--set", "adc_bits=5..9:2"]
    arguments += ["--set", "engine=cim:relu-macro/cim:pim-qat:differential"]
    arguments += ["-o", str(tmp_path / "s.sqlite")]
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["points"], found["estimated"], found["fitting"]) == (6, 6, 0)
    assert found["fronts"] == []
    macros = found["macros"]
    assert [one["fps"] for one in macros] == sorted((o["fps"] for o in macros), reverse=True)
    assert {(o["point"]["engine"], o["point"]["adc_bits"]) for o in macros} == {
        (engine, bits)
        for engine in ("cim:relu-macro", "cim:pim-qat:differential")
        for bits in (5, 7, 9)
    }
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert out.startswith(
        "6 points: 6 estimated, 0 of them fit their device with a network, 6 are "
    )
    assert "6 points around macros" in out
    assert "adc_bits=5 engine=cim:pim-qat:differential" in out
