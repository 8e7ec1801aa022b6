"""Ranges of codes that operators can yield, and what is loaded for a layer's channels."""

from __future__ import annotations

import numpy as np
import pytest

from flows.mapper import map_network
from flows.mapper.operands import code_range
from models.machine.units import Unit
from models.network.graph import ConcatTokens, Constant, Reshape, SelectTokens
from models.ops.requantize import Lookup, Requantize
from models.program.descriptor import decode_program
from models.program.layout import PARAM_BYTES, LoadTarget, VectorOp
from tests.support.random_layers import Builder
from tests.support.specs import SMALL

ONE = np.array([1])


def requantizer(**change: object) -> Requantize:
    return Requantize(bias=0 * ONE, multiplier=ONE, shift=0 * ONE, **change)  # type: ignore[arg-type]


def test_ranges_of_codes() -> None:
    b = Builder(np.random.default_rng(1), (2, 3))
    clamped = b.add(requantizer(low=-7, high=90), ("input",), (2, 3))
    table = Lookup(table=np.array([4, -11, 33, 5]))
    looked = b.add(requantizer(table=table), ("input",), (2, 3))
    fixed = b.add(Constant(codes=np.array([[-3, 100, 9]])), (), (1, 3))
    joined = b.add(ConcatTokens(), (clamped, looked, fixed), (5, 3))
    picked = b.add(SelectTokens(1, 4), (joined,), (3, 3))
    shaped = b.add(Reshape((1, 9)), (picked,), (1, 9))
    graph = b.graph("ranges", shaped)
    assert code_range(graph, "input") == (-128, 127)
    assert code_range(graph, clamped) == (-7, 90)
    assert code_range(graph, looked) == (-11, 33)
    assert code_range(graph, fixed) == (-3, 100)
    assert code_range(graph, joined) == code_range(graph, shaped) == (-11, 100)


@pytest.mark.parametrize("channels", [4, 6, 9])
def test_parameters_of_the_layers_channels_alone_are_loaded(channels: int) -> None:
    """Rows of the last tile that are idle have none; without a row order its field is 0."""
    b = Builder(np.random.default_rng(2), (3, 5))
    graph = b.graph("one", b.linear("input", channels))
    program = decode_program(SMALL, map_network(graph, SMALL).image.tobytes())
    loads = [d.fields for d in program if d.unit is Unit.LOAD]
    (beats,) = [f["beats"] for f in loads if f["target"] == LoadTarget.PARAMS]
    assert beats == -(-channels * PARAM_BYTES // SMALL.axi_bytes)
    drains = [
        d.fields for d in program if d.unit is Unit.VECTOR if d.fields["op"] == VectorOp.DRAIN
    ]
    assert {f["order"] for f in drains} == {0}
