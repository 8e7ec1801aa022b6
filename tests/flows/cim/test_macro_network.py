"""Real networks on macros: exact where nothing is lost, and what differs where something is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows.cim import prepare
from flows.cim.adc_steps import NOISE_SHARE, Chosen, choose, expected_error, histogram
from flows.cim.layer_report import converted_share, layer_report
from flows.cim.macro_matmul import make_layer, patches
from flows.cim.macro_network import choose_all
from flows.onnx_import import load_network
from models.cim.die import make_die, noise_sigmas
from models.cim.golden.adc import Window, convert, full_range, registers
from models.cim.noise import column_words, shared_words
from models.cim.presets import find_preset
from models.network.graph import IntegerGraph, run_graph
from models.ops.convolution import Convolution, accumulate

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "fashion_mnist"

LOSSLESS = [
    ("pim-qat", {"adc_bits": 8}),
    ("pim-qat:differential", {"adc_bits": 10, "group": 64}),
    ("pim-qat:native", {"adc_bits": 10, "group": 2}),
    ("cap-ram", {"adc_bits": 10}),
    ("cap-ram:differential", {"adc_bits": 9}),
    ("forms", {"adc_bits": 5}),
    ("forms:4", {}),
    ("forms:16", {"adc_bits": 6}),
]


@pytest.fixture(scope="module")
def graph() -> IntegerGraph:
    return load_network(EXAMPLES / "resnet_int8.onnx")


@pytest.fixture(scope="module")
def images(graph: IntegerGraph) -> np.ndarray:
    with np.load(EXAMPLES / "samples.npz") as content:
        x = content["x"][:8].astype(np.float64)
    return graph.tensors[graph.input].quantize(x.transpose(0, 2, 3, 1))


@pytest.mark.parametrize(("name", "changes"), LOSSLESS)
def test_lossless_macro_is_the_integer_graph(
    graph: IntegerGraph, images: np.ndarray, name: str, changes: dict[str, Any]
) -> None:
    spec = find_preset(name, **changes)
    network = prepare(graph, spec, images[:1], rule="unit", static=False, dynamic=False)
    np.testing.assert_array_equal(network.run(images[:1]), run_graph(graph, images[:1]))


@pytest.mark.usefixtures("few_known_counts")
def test_every_tensor_of_a_run_can_be_kept(graph: IntegerGraph, images: np.ndarray) -> None:
    network = prepare(graph, find_preset("cap-ram"), images[:1])
    kept: dict[str, np.ndarray] = {}
    output = network.run(images[:1], 3, kept.__setitem__)
    assert list(kept) == [node.output for node in graph.nodes]
    np.testing.assert_array_equal(kept[graph.output], output)
    np.testing.assert_array_equal(output, network.run(images[:1], 3))


def test_zero_skipping_changes_cycles_not_results(graph: IntegerGraph, images: np.ndarray) -> None:
    spec = find_preset("forms", adc_bits=5)
    results, shares = [], []
    for skip in (False, True):
        used = replace(spec, zero_skip=skip)
        network = prepare(graph, used, images[:1], rule="full", static=False, dynamic=False)
        results.append(network.run(images[:1]))
        shares.append([e["converted"] for e in layer_report(network, images[:1])])
    np.testing.assert_array_equal(results[0], results[1])
    assert set(shares[0]) == {1.0}
    assert all(share < 1 for share in shares[1])
    print("slices converted", np.round(shares[1], 3))


def test_converted_share_counts_slices() -> None:
    layer = make_layer("a", _linear(np.ones((1, 16), int)), find_preset("forms"))
    acts = np.zeros((2, 16), np.uint8)
    assert converted_share(layer, acts) == 0
    acts[0, 3], acts[1, 9] = 1, 0b1000
    # One group of four needs one slice of eight, another one four.
    assert converted_share(layer, acts) == pytest.approx((1 + 4) / 4 / 8)


def test_relu_macro_converts_once_and_stops_early(graph: IntegerGraph, images: np.ndarray) -> None:
    network = prepare(graph, find_preset("relu-macro"), images)
    entries = layer_report(network, images[:2])
    assert {entry["conversions"] for entry in entries} == {1}
    early = [e["decisions"] for e in entries if e["decisions"] < 8]
    print("mean SAR cycles where ReLU follows", early)
    assert len(early) == 6
    assert max(early) < 6
    labels = run_graph(graph, images).argmax(-1)
    assert (network.run(images).argmax(-1) == labels).mean() >= 0.75


@pytest.mark.usefixtures("few_known_counts")
def test_results_do_not_depend_on_the_batch(graph: IntegerGraph, images: np.ndarray) -> None:
    network = prepare(graph, find_preset("relu-macro"), images[:4])
    whole = network.run(images[:2], first_run=5)
    alone = np.concatenate([network.run(images[i : i + 1], first_run=5 + i) for i in range(2)])
    np.testing.assert_array_equal(whole, alone)
    assert (network.run(images[:1], first_run=6) != whole[:1]).any()


def test_recalibration_brings_a_die_closer(graph: IntegerGraph, images: np.ndarray) -> None:
    spec = find_preset("relu-macro", adc_bits=6)
    exact = run_graph(graph, images).astype(float)
    errors = []
    for recalibrate in (False, True):
        network = prepare(graph, spec, images, calibrated=False, recalibrate=recalibrate)
        errors.append(np.abs(network.run(images) - exact).mean())
    assert errors[1] < errors[0]


@pytest.fixture
def seen(graph: IntegerGraph) -> tuple[Convolution, np.ndarray]:
    """A layer's operator and activations as it may see them, most of them small."""
    operators = (n.operator for n in graph.nodes[1:])
    operator = next(one for one in operators if isinstance(one, Convolution))
    random = np.random.default_rng(3)
    depth = operator.weights[0].size
    return operator, np.minimum(random.geometric(0.05, (100, depth)), 255).astype(np.uint8)


def test_search_finds_the_least_error(seen: tuple[Convolution, np.ndarray]) -> None:
    spec = find_preset("pim-qat", adc_bits=5)
    layer = make_layer("layer", seen[0], spec)
    values, weights = histogram(layer, seen[1])
    errors = {
        rule: expected_error(spec, choose(layer, seen[1], rule).window, values, weights)
        for rule in ("full", "unit", "calibrated")
    }
    assert errors["calibrated"] <= min(errors.values())
    assert errors["calibrated"] < errors["full"] / 4


def test_search_with_noise(seen: tuple[Convolution, np.ndarray]) -> None:
    spec = find_preset("cap-ram")
    layer = make_layer("layer", seen[0], spec)
    plain, noisy = (choose(layer, seen[1], rule).window for rule in ("calibrated", "snr"))
    assert choose(layer, seen[1], "snr", dynamic=False).window == plain
    values, weights = histogram(layer, seen[1])
    noise = float(np.hypot(*noise_sigmas(spec)))
    errors = [expected_error(spec, window, values, weights, noise) for window in (noisy, plain)]
    assert noisy.step > plain.step
    assert errors[0] < errors[1]


@pytest.mark.parametrize(
    ("name", "counts"),
    [("cap-ram", 1.0), ("cap-ram", 1.5), ("cap-ram", 2.0), ("cap-ram", 4.0), ("relu-macro", 700.0)],
)
def test_expected_error_is_that_of_noisy_conversions(name: str, counts: float) -> None:
    """Up to what 200,000 conversions of each sum tell, and normal noise in 256 parts."""
    spec = replace(find_preset(name), adc_bits=6)
    die = make_die(spec, 3, static=False)
    step = int(counts * (1 << spec.fraction))
    window = Window(step=step, offset=-(step << spec.adc_bits - 1))
    values = np.array([-400.0, -7.0, -1.0, 0.0, 1.0, 2.0, 3.0, 12.0, 400.0])
    if spec.relu:
        values *= 500
    wanted = np.maximum(values, 0) if spec.relu else values
    weights = np.arange(1.0, 10.0)
    number = 200_000
    words = column_words(
        shared_words(np.uint32(5), np.arange(number), spec.words), die.column_keys[: len(values)]
    )
    codes = convert(
        np.repeat(values[:, None] * (1 << spec.fraction), number, axis=1).astype(np.int64),
        registers(die, window).thresholds[: len(values)],
        spec,
        sampling=die.sampling,
        comparator=die.comparator,
        words=words,
    )
    seen = (window.offset + codes * window.step) / (1 << spec.fraction)
    mean, spread = seen.mean(1) - wanted, seen.var(1)
    want = (weights * (mean**2 + NOISE_SHARE * spread)).sum() / weights.sum()
    noise = float(np.hypot(*noise_sigmas(spec)))
    assert expected_error(spec, window, values, weights, noise) == pytest.approx(want, rel=0.02)
    # Not only because two sums lie outside of the window.
    inner = slice(1, -1)
    mine = expected_error(spec, window, values[inner], weights[inner], noise)
    mean, spread, weights = mean[inner], spread[inner], weights[inner]
    want = (weights * (mean**2 + NOISE_SHARE * spread)).sum() / weights.sum()
    assert mine == pytest.approx(want, rel=0.1, abs=2e-3)


@pytest.mark.usefixtures("few_known_counts")
def test_windows_do_not_depend_on_the_die(graph: IntegerGraph, images: np.ndarray) -> None:
    spec = find_preset("relu-macro")
    first = prepare(graph, spec, images[:1], die=1)
    second = prepare(graph, spec, images[:1], die=2, keep_ends=True)
    assert {n: first.chosen[n] for n in second.layers} == {
        n: second.chosen[n] for n in second.layers
    }
    assert len(second.layers) == len(first.layers) - 2
    again = choose_all(graph, first.layers, images[:1], "calibrated")
    assert again == first.chosen
    assert full_range(spec).step > max(c.window.step for c in again.values())


@pytest.mark.parametrize("seed", range(4))
def test_patches_are_the_convolution(seed: int) -> None:
    random = np.random.default_rng(seed)
    print("seed", seed)
    shape = (5, int(random.integers(1, 4)), int(random.integers(1, 4)), 3)
    operator = replace(
        _linear(np.zeros((5, 3), int)),
        weights=random.integers(-128, 128, shape),
        stride=tuple(random.integers(1, 3, 2).tolist()),
        dilation=tuple(random.integers(1, 3, 2).tolist()),
        padding=tuple(random.integers(0, 3, 4).tolist()),
        input_zero=int(random.integers(-128, 128)),
    )
    codes = random.integers(-128, 128, (2, 9, 8, 3))
    layer = make_layer("a", operator, find_preset("pim-qat"))
    acts, where = patches(codes, operator)
    got = layer.accumulators(acts.astype(int) @ layer.weights[0].T).reshape(where)
    np.testing.assert_array_equal(got, accumulate(codes, operator))


def _linear(weights: np.ndarray) -> Convolution:
    from models.ops.convolution import linear_spec
    from models.ops.requantize import Requantize

    return linear_spec(
        weights, Requantize(bias=np.array(0), multiplier=np.array(1), shift=np.array(0))
    )


def test_a_range_without_sums() -> None:
    with pytest.raises(ValueError, match="largest sum must be at least 1 count, not 0"):
        Chosen(window=Window(step=1), largest=0)
