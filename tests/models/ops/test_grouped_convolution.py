"""Convolutions in groups: the golden equals the dense convolution with zeros between groups."""

from __future__ import annotations

import numpy as np
import pytest

from models.ops.convolution import Convolution, accumulate, convolution
from models.ops.requantize import Requantize
from tests.support.random_layers import Builder

ONE = Requantize(bias=np.array([0]), multiplier=np.array([1]), shift=np.array([0]))


@pytest.mark.parametrize(("groups", "depth", "out"), [(6, 1, 1), (3, 2, 4), (2, 3, 1), (1, 6, 5)])
def test_dense_is_the_same(groups: int, depth: int, out: int) -> None:
    b = Builder(np.random.default_rng(groups), (5, 6, groups * depth))
    b.conv("input", groups * out, kernel=(3, 2), groups=groups, stride=(2, 1),
           padding=(1, 0, 2, 1), dilation=(1, 2))  # fmt: skip
    op = b.nodes[0].operator
    assert isinstance(op, Convolution)
    dense = op.dense()
    assert op.channels == dense.channels == groups * depth
    assert dense.weights.shape == (groups * out, 3, 2, groups * depth)
    assert dense.macs_per_position == op.macs_per_position == groups * out * 6 * depth
    codes = b.corners(-128, 127, (2, 5, 6, groups * depth))
    assert np.array_equal(accumulate(codes, op), accumulate(codes, dense))
    assert np.array_equal(convolution(codes, op), convolution(codes, dense))


def test_an_output_reads_its_own_group() -> None:
    weights = np.arange(1, 5).reshape(4, 1, 1, 1)
    op = Convolution(weights=weights, requantize=ONE, groups=2)
    assert accumulate(np.array([[[[10, 3]]]]), op).ravel().tolist() == [10, 20, 9, 12]


def test_formats_stay_where_they_hold_zero() -> None:
    def made(name: str, value: int) -> Convolution:
        weights = np.full((2, 1, 1, 1), value)
        return Convolution(weights=weights, requantize=ONE, groups=2, formats=(name, name))

    assert made("fixed4", 3).dense().formats == ("fixed4", "fixed4")
    assert made("binary", 1).dense().formats == ()


def test_errors_say_what_groups_must_be() -> None:
    with pytest.raises(ValueError, match="groups must be at least 1 and divide its 4 outputs, not"):
        Convolution(weights=np.zeros((4, 1, 1, 1), dtype=np.int64), requantize=ONE, groups=3)
    op = Convolution(weights=np.zeros((4, 1, 1, 2), dtype=np.int64), requantize=ONE, groups=2)
    with pytest.raises(ValueError, match="convolution input must have 4 channels, not 3"):
        accumulate(np.zeros((1, 1, 1, 3)), op)
