"""Machines as columns, and what their scratchpads must hold."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.estimate.cycles.cycles import estimate_cycles
from flows.estimate.cycles.found_network import find_network
from flows.estimate.cycles.graph_layers import graph_layers
from flows.estimate.machine_points import Points
from flows.mapper import map_network
from flows.onnx_import import load_network
from flows.search.candidates import candidates, complete, spec_of, with_act_bits, with_entries
from flows.search.lifetimes import live_words
from flows.search.precisions import PRECISIONS, Precision
from models.machine.spec import MachineSpec

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "fashion_mnist"
DEIT = find_network("deit-tiny")


every = cache(candidates)


@settings(max_examples=50)
@given(st.sampled_from(PRECISIONS), st.integers(0, 1 << 30))
def test_a_column_is_a_machine_with_the_same_estimates(precision: Precision, number: int) -> None:
    mixture = precision.mixture
    points = every(mixture, "xcup", 128)
    points = with_act_bits(points, precision.act_bits)
    one = points[np.array([number % len(points)])]
    one = with_entries(one, DEIT.layers)
    estimate = estimate_cycles(one, DEIT.layers, whole=True)
    whole, holds = complete(one, DEIT.layers, estimate)
    if not holds[0]:
        return
    spec = spec_of(whole, 0, mixture)
    again = Points.of([spec], "xcup")
    for name, column in vars(again).items():
        assert (column == getattr(whole, name)).all(), name
    known = estimate_cycles(again, DEIT.layers, whole=True)
    assert known.fits[0]
    assert known.total[0] == estimate.total[0]


@pytest.mark.parametrize("name", ["vit", "resnet"])
@pytest.mark.parametrize(
    "spec",
    [
        MachineSpec(),
        MachineSpec(lanes=4, tokens=1, rows=4, vector_lanes=2),
        MachineSpec(tokens=8, rows=16, vector_lanes=16),
        MachineSpec(lanes=6, tokens=3, rows=9, vector_lanes=3, depth=2040),
    ],
)
def test_lifetimes_are_the_mappers(name: str, spec: MachineSpec) -> None:
    graph = load_network(EXAMPLES / f"{name}_int8.onnx")
    estimated = live_words(Points.of([spec], "xc7"), graph_layers(graph))
    assert estimated[0] == map_network(graph, spec).peak_words


def test_a_shortcut_that_no_layer_names_is_held() -> None:
    """DeiT-B beside softmax: scores twice, values, and the residual; words of 32 bytes."""
    words = live_words(Points.of([MachineSpec(tokens=4)], "xcup"), find_network("deit-base").layers)
    assert words[0] == 2 * (12 * 197 * 7) + 2 * (197 * 24)
