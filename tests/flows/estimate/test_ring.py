"""The ring of parameters in the cycle model against the mapper's, and what waiting for it costs."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flows.estimate.cycles.cycles import estimate_cycles
from flows.estimate.cycles.graph_layers import graph_layers
from flows.estimate.cycles.grouped_shape import param_entries
from flows.estimate.cycles.machine_layer import Work
from flows.estimate.cycles.ring import KEPT, Ring
from flows.estimate.cycles.workload_graph import workload_graph
from flows.estimate.machine_points import Points
from flows.mapper.place import RingSpace
from models.formats.row_classes import RowClass
from models.machine.spec import MachineSpec
from models.network.workloads.workload import Shapes


@given(st.lists(st.integers(1, 12), min_size=1, max_size=30), st.integers(12, 40))
def test_entries_lie_where_the_mapper_puts_them(counts: list[int], size: int) -> None:
    """Of a layer whose entries lie where others' did, the last of these is waited for."""
    ring, space = Ring(np.array([size])), RingSpace(size, "channel parameters")
    placed: list[tuple[int, int]] = []
    for index, count in enumerate(counts):
        free = int(ring.take(np.array([count]))[0])
        start, _ = space.take(str(index).encode(), count)
        assert [int(end[0]) for end in ring.open[0]] == [start, start + count]
        before = list(enumerate(placed, 1))[-KEPT:]
        lost = [n for n, (a, b) in before if a < start + count and start < b]
        assert free == max(lost, default=0)
        placed.append((start, start + count))
        ring.close(np.array([index + 1]))


def test_layers_whose_parameters_do_not_fit_beside_the_formers_wait() -> None:
    net = Shapes(9, 9, 3)
    net.convolution("stem", 39, 3)
    for index in range(4):
        net.convolution(f"conv{index}", 39, 1)
    layers = graph_layers(workload_graph("n", net.layers))
    least = MachineSpec(
        tokens=1, rows=8, vector_lanes=2, depth=128, param_entries=32,
        classes=(RowClass("fixed8", 8),),
    )  # fmt: skip
    points = Points.of([least, replace(least, param_entries=64)], "xc7")
    need = {int(param_entries(points, x)[0]) for x in layers if x.work is Work.PRODUCT}
    assert need == {20}
    found = estimate_cycles(points, layers)
    assert found.fits.all()
    alone, beside = found.total
    # Each of the four waits for the results of the one before, then its own first ones come.
    assert alone - beside > 4 * 20
    assert (found.cycles[0, 2:6] > found.cycles[1, 2:6]).all()
