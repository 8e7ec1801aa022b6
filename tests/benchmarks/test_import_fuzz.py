"""The importer's fuzzer: 300 files without a fault, and faults that it must find."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.import_fuzz import campaign
from flows.onnx_import import (
    code_operators,
    float_operators,
    grids,
    importer,
    products,
    quantisers,
    rescaling,
)

pytestmark = pytest.mark.slow

SEED = 11
EXAMPLES = Path(__file__).parents[2] / "examples" / "fashion_mnist"


def test_three_hundred_files_without_a_fault() -> None:
    found = campaign.campaign(300, SEED)
    assert found["worst"] == []
    assert (found["beyond_bound"], found["tracebacks"], found["slow"], found["large"]) == (0,) * 4
    assert found["files"] == found["imported"] + found["refused"] + found["not_made"] == 300
    assert found["imported"] > 180


def test_the_same_seed_gives_the_same_files() -> None:
    first, second = (campaign.random_file(SEED, 5)[0] for _ in range(2))
    assert first == second


def test_goes_on_where_it_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "results.jsonl"
    whole = campaign.campaign(12, SEED)
    campaign.campaign(7, SEED, store=store)
    with store.open("a") as sink:
        sink.write('{"seed": 11, "num')
    seen: list[int] = []
    plain = campaign.examine

    def watched(*given: Any) -> Any:
        seen.append(given[1])
        return plain(*given)

    monkeypatch.setattr(campaign, "examine", watched)
    again = campaign.campaign(12, SEED, store=store)
    assert seen == [7, 8, 9, 10, 11]
    assert again["by_operator"] == whole["by_operator"]


def test_mutated_examples_are_imported_rightly_or_refused_in_a_line() -> None:
    """Bytes and fields; 2,000 of them by ``--count 2000 --files examples/fashion_mnist/*.onnx``."""
    files = tuple(sorted(EXAMPLES.glob("*.onnx")))
    found = campaign.campaign(40, SEED, files=files)
    assert found["worst"] == []
    assert found["refused"] > 10


def test_prints_one_object() -> None:
    command = [sys.executable, "-m", "benchmarks.import_fuzz", "--count", "8", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    assert result["files"] == 8
    assert {"imported", "refused", "beyond_bound", "tracebacks", "slow", "large", "worst"} <= set(
        result
    )


def _clip_of_codes_left_out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(code_operators, "clipped", lambda value, low, high: value)


def _type_without_a_zero_point_is_int8(patch: pytest.MonkeyPatch) -> None:
    plain = quantisers._written_type
    patch.setattr(
        quantisers,
        "_written_type",
        lambda node, zero: plain(node, zero) if zero is not None else "int8",
    )


def _negative_gains_keep_their_rows(patch: pytest.MonkeyPatch) -> None:
    plain = rescaling._signed
    patch.setattr(rescaling, "_signed", lambda rows, gain, *rest: plain(rows, np.abs(gain), *rest))


def _second_quantisers_merged_away(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(grids.Grids, "_same_grid", staticmethod(lambda *arguments: True))


def _padding_on_the_wrong_side(patch: pytest.MonkeyPatch) -> None:
    plain = products.auto_padding

    def upper(node: Any, *rest: Any) -> Any:
        if node.attributes.get("auto_pad") == b"SAME_LOWER":
            node = replace(node, attributes=node.attributes | {"auto_pad": b"SAME_UPPER"})
        return plain(node, *rest)

    patch.setattr(products, "auto_padding", upper)


def _borders_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(importer._Walk, "_check_padding", lambda *arguments: None)


def _padding_of_pools_not_counted(patch: pytest.MonkeyPatch) -> None:
    plain: Callable[..., Any] = float_operators._pooled
    patch.setattr(float_operators, "_pooled", lambda *arguments: plain(*arguments[:-1], False))


def _zero_points_of_weights_left_out(patch: pytest.MonkeyPatch) -> None:
    plain = quantisers.dequantise_constant

    def without(const: Any, grid: Any, *rest: Any) -> Any:
        return plain(const, replace(grid, zero_point=np.zeros(1)), *rest)

    patch.setattr(quantisers, "dequantise_constant", without)


def _means_of_batch_norm_left_out(patch: pytest.MonkeyPatch) -> None:
    plain = float_operators.batch_norm

    def without(grids: Any, node: Any, value: Any, numbers: Any) -> Any:
        zeros = replace(numbers[2], real=0 * numbers[2].real)
        return plain(grids, node, value, [*numbers[:2], zeros, *numbers[3:]])

    patch.setattr(float_operators, "batch_norm", without)


def _joined_the_other_way_round(patch: pytest.MonkeyPatch) -> None:
    plain = float_operators.concat
    patch.setattr(
        float_operators, "concat", lambda grids, node, parts: plain(grids, node, parts[::-1])
    )


def _codes_keep_their_first_grid(patch: pytest.MonkeyPatch) -> None:
    def first(self: Any, given: Any, scale: Any, zero_point: Any, label: Any) -> Any:
        return self.with_grid(given, label, (scale, zero_point))

    patch.setattr(grids.Grids, "relabelled", first)


PLANTED = [
    _clip_of_codes_left_out,
    _type_without_a_zero_point_is_int8,
    _negative_gains_keep_their_rows,
    _second_quantisers_merged_away,
    _padding_on_the_wrong_side,
    _borders_not_looked_at,
    _padding_of_pools_not_counted,
    _zero_points_of_weights_left_out,
    _means_of_batch_norm_left_out,
    _joined_the_other_way_round,
    _codes_keep_their_first_grid,
]


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__.strip("_"))
def test_a_planted_fault_is_found(
    monkeypatch: pytest.MonkeyPatch, plant: Callable[[pytest.MonkeyPatch], None]
) -> None:
    plant(monkeypatch)
    for number in range(600):
        if campaign.examine(SEED, number)["fault"] == "beyond bound":
            return
    pytest.fail("600 files did not show the fault")
