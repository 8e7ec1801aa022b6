"""Random networks, mapped: golden machine and integer graph agree in every code of every tensor.

The same networks run as Verilog in tests/flows/run; this needs no simulator, so it is what somebody
who changes the mapper or the golden machine runs first.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from flows.run.execute import golden_run
from models.machine.spec import MachineSpec
from models.network.graph import ConcatTokens, Constant, IntegerGraph, run_graph
from models.numerics.rescale import Integers
from models.ops.row_function import RowFunction, Segment
from models.ops.softmax import Softmax
from tests.support.machines import job
from tests.support.oracles.case import compare
from tests.support.random_layers import Builder
from tests.support.random_networks import KINDS, random_codes, random_network
from tests.support.specs import FOUR_BIT, MIXED, ODD, PACKED, SMALL


def check(name: str, graph: IntegerGraph, spec: MachineSpec, seed: int = 0) -> None:
    """Run one image both ways; compare every tensor."""
    codes = random_codes(graph, seed)[:1]
    tensors: dict[str, Integers] = {}
    expected = run_graph(graph, codes, tensors.__setitem__)
    one = job(name, graph, codes[0], spec)
    output, trace = golden_run(one.network, codes[0])
    assert trace
    assert set(trace) <= set(tensors)
    for tensor in trace:
        compare(name, tensor, trace[tensor], tensors[tensor][0])
    compare(name, "output", output, expected[0])


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
            check(f"{kind} network {seed}", graph, spec, seed)


@pytest.mark.parametrize("spec", [SMALL, ODD], ids=["small", "odd"])
@pytest.mark.parametrize("case", ["the image", "in two joins", "twice in a join", "a join in one"])
def test_parts_that_are_not_made_in_their_place(spec: MachineSpec, case: str) -> None:
    """Parts of a concatenation are made where they go, if nothing else needs them elsewhere."""
    tokens, channels = 3, 10
    b = Builder(np.random.default_rng([9, len(case)]), (tokens, channels))
    token = b.add(Constant(codes=b.corners(-128, 127, (1, channels))), (), (1, channels))
    body = b.linear("input", channels)

    def joined(*parts: str) -> str:
        rows = sum(b.tensors[part].shape[0] for part in parts)
        return b.add(ConcatTokens(), parts, (rows, channels))

    if case == "the image":
        out = joined(token, "input")
    elif case == "in two joins":
        out = b.join(b.linear(joined(token, body), channels), joined(body, token))
    elif case == "twice in a join":
        out = joined(body, token, body)
    else:
        out = joined(body, joined(body, token), token)
    check("join", b.graph(case, b.linear(out, 7)), spec)


@pytest.mark.parametrize("spec", [SMALL, ODD], ids=["small", "odd"])
@pytest.mark.parametrize("two", [False, True], ids=["one segment", "two segments"])
def test_row_functions_of_segments(spec: MachineSpec, two: bool) -> None:
    """Softmax whose reciprocal is a table of one or two segments, as other quantisers make it."""
    tokens, keys = 5, 13
    b = Builder(np.random.default_rng(11), (tokens, keys))
    table = b.rng.integers(0, 1 << 16, 64)
    second = Segment(offset=-(1 << 15), shift=11, last=29, base=34, out_shift=3) if two else None
    reciprocal = RowFunction(
        table=table, first=Segment(offset=7, shift=9, last=33, out_shift=1), second=second
    )
    soft = Softmax(exp=b.rng.integers(0, 1 << 12, 256), reciprocal=reciprocal)
    check("segments", b.graph("segments", b.add(soft, ("input",), (tokens, keys))), spec)
