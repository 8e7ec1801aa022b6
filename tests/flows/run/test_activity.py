import numpy as np
import pytest

from flows.mapper import MappedLayer
from flows.run.activity import Interval, intervals, layer_activities

EVENT = [("cycle", "<u4"), ("tag", "<u2"), ("unit", "u1"), ("start", "u1")]
LOAD, MATRIX, VECTOR = 0, 2, 3


def events(*rows: tuple[int, int, int, int]) -> np.ndarray:
    return np.array(list(rows), EVENT)


def test_each_end_belongs_to_the_start_before_it() -> None:
    found = intervals(
        events(
            (3, 1, MATRIX, 1),
            (5, 1, VECTOR, 1),
            (9, 2, MATRIX, 0),  # the tag of an end may be the next piece's already
            (9, 2, MATRIX, 1),
            (12, 1, VECTOR, 0),
            (20, 2, MATRIX, 0),
            (25, 7, LOAD, 1),
        )
    )
    assert found == [
        Interval(MATRIX, 1, 3, 9),
        Interval(VECTOR, 1, 5, 12),
        Interval(MATRIX, 2, 9, 20),
    ]
    assert [one.cycles for one in found] == [6, 7, 11]


def test_ends_come_in_the_order_of_starts() -> None:
    """The load unit begins a descriptor before it ends the one before."""
    found = intervals(
        events(
            (3, 1, LOAD, 1), (5, 2, LOAD, 1), (9, 1, LOAD, 0), (10, 3, LOAD, 1), (12, 2, LOAD, 0)
        )
    )
    assert found == [Interval(LOAD, 1, 3, 9), Interval(LOAD, 2, 5, 12)]


def test_an_end_without_start() -> None:
    with pytest.raises(ValueError, match="unit 2 must begin before it ends in cycle 9"):
        intervals(events((9, 1, MATRIX, 0)))


def test_layers() -> None:
    layers = [
        MappedLayer(tag=1, name="a", kind="x", output="a", shape=(1, 2), macs=640, beats=8),
        MappedLayer(tag=2, name="b", kind="x", output="b", shape=(1, 2)),
        MappedLayer(tag=3, name="none", kind="x", output="c", shape=(1, 2)),
    ]
    found = [
        Interval(MATRIX, 1, 0, 6),
        Interval(MATRIX, 1, 10, 14),
        Interval(VECTOR, 1, 5, 20),
        Interval(VECTOR, 2, 20, 23),
    ]
    first, second = layer_activities(layers, found, macs_per_cycle=128)
    assert (first.layer.name, first.start, first.stop) == ("a", 0, 20)
    assert (first.matrix_cycles, first.vector_cycles) == (10, 15)
    assert first.array_busy == 0.8
    assert first.utilisation == 0.5
    assert (second.matrix_cycles, second.vector_cycles) == (0, 3)
    assert second.array_busy is None
    assert second.utilisation is None
