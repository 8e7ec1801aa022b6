"""Random networks, mapped: golden machine and integer graph agree in every code of every tensor.

The same networks run as Verilog in tests/flows/run; this needs no simulator, so it is what somebody
who changes the mapper or the golden machine runs first.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from flows.run.execute import golden_run
from models.machine.spec import MachineSpec
from models.network.graph import run_graph
from models.numerics.rescale import Integers
from tests.support.machines import FOUR_BIT, MIXED, ODD, PACKED, SMALL, job
from tests.support.oracles.case import compare
from tests.support.random_networks import KINDS, random_codes, random_network


@pytest.mark.parametrize(
    ("spec", "kinds", "seeds"),
    [
        pytest.param(SMALL, KINDS, 12, id="small"),
        pytest.param(ODD, KINDS, 12, id="odd"),
        pytest.param(MIXED, KINDS, 6, id="mixed"),
        pytest.param(PACKED, KINDS, 6, id="packed"),
        pytest.param(FOUR_BIT, ("gemm", "convolution"), 8, id="four-bit"),
    ],
)
def test_golden_machine_equals_integer_graph(
    spec: MachineSpec, kinds: Sequence[str], seeds: int
) -> None:
    for kind in kinds:
        for seed in range(seeds):
            graph = random_network(kind, seed, spec.classes, spec.act_bits)
            codes = random_codes(graph, seed)[:1]
            tensors: dict[str, Integers] = {}
            expected = run_graph(graph, codes, tensors.__setitem__)
            one = job(f"{kind} network {seed}", graph, codes[0], spec)
            output, trace = golden_run(one.network, codes[0])
            assert trace
            assert set(trace) <= set(tensors)
            for tensor in trace:
                compare(one.name, tensor, trace[tensor], tensors[tensor][0])
            compare(one.name, "output", output, expected[0])
