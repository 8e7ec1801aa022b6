"""Every program the mapper makes: accesses in order, tokens balanced, no lock-up."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import accumulate
from pathlib import Path

import pytest

from flows.mapper import map_network
from flows.mapper.emitter import Emitter, reads, writes
from flows.onnx_import import load_network
from models.machine.spec import MachineSpec
from models.machine.units import UNITS, Unit
from models.network.graph import IntegerGraph
from models.program.descriptor import Descriptor, decode_program
from models.program.layout import LoadTarget, VectorOp, WeightSource
from tests.support.mixed_networks import mixed_network
from tests.support.ordering import clocks, hazard, run_to_end
from tests.support.random_networks import KINDS, random_network
from tests.support.specs import DEFAULT, ODD, SMALL

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "fashion_mnist"
SEEDS = range(22)
TOKENS_MOST = 255


def program(graph: IntegerGraph, spec: MachineSpec, *, trace: bool = False) -> list[Descriptor]:
    """A network's descriptors, as the machine reads them."""
    return decode_program(spec, map_network(graph, spec, trace=trace).image.tobytes())


@cache
def example(name: str) -> IntegerGraph:
    """One of the trained networks."""
    return load_network(EXAMPLES / f"{name}_int8.onnx")


def check(what: str, spec: MachineSpec, descriptors: list[Descriptor]) -> None:
    """All rules of a program's order."""
    found = hazard(spec, descriptors)
    assert found is None, f"{what}: {found}"
    for tiles in (1, 2):
        done = run_to_end(spec, descriptors, tiles=tiles)
        assert done == len(descriptors), f"{what} locks up after {done} of {len(descriptors)}"
    streams = {unit: [d.fields for d in descriptors if d.unit is unit] for unit in Unit}
    loads = [f for f in streams[Unit.LOAD] if f["target"] == LoadTarget.WEIGHTS]
    fills = [f for f in streams[Unit.WEIGHT] if f["source"] == WeightSource.STREAM]
    drains = [f for f in streams[Unit.VECTOR] if f["op"] == VectorOp.DRAIN]
    # Loads follow one another with the weights of whole descriptors.
    got = list(accumulate(f["beats"] // spec.beats_per_word for f in loads))
    want = list(accumulate(-(-f["tiles"] * spec.rows * f["entries"] // spec.tokens) for f in fills))
    assert set(got) <= set(want), f"{what}: words of weights loaded {got}, wanted {want}"
    assert got[-1:] == want[-1:]
    pairs = [[(f["tiles"], f[n]) for f in s] for s, n in
             ((streams[Unit.MATRIX], "tokens"), (drains, "rows"))]  # fmt: skip
    assert pairs[0] == pairs[1], f"{what}: tiles and tokens multiplied and drained differ"
    for (giver, taker), waiting in held(descriptors).items():
        most = waiting + spec.queue_depth + 1
        assert most <= TOKENS_MOST, f"{what}: {most} tokens from {giver} to {taker}"


def held(descriptors: list[Descriptor]) -> Counter[tuple[int, int]]:
    """Most tokens of each counter that are given before and taken after one place of a program."""
    now: Counter[tuple[int, int]] = Counter()
    most: Counter[tuple[int, int]] = Counter()
    for one in descriptors:
        for other in range(UNITS):
            now[other, one.unit] -= one.wait >> other & 1
            now[one.unit, other] += one.signal >> other & 1
        most |= now
    return most


@pytest.mark.parametrize("trace", [False, True], ids=["plain", "trace"])
@pytest.mark.parametrize("spec", [SMALL, ODD], ids=["small", "odd"])
def test_random_networks(spec: MachineSpec, trace: bool) -> None:
    for kind in KINDS:
        for seed in SEEDS:
            descriptors = program(random_network(kind, seed), spec, trace=trace)
            check(f"{kind} network {seed}", spec, descriptors)


@pytest.mark.parametrize("trace", [False, True], ids=["plain", "trace"])
@pytest.mark.parametrize("spec", [SMALL, ODD], ids=["small", "odd"])
def test_networks_above_the_scratchpad(spec: MachineSpec, trace: bool) -> None:
    """Of a quarter of the scratchpad; maps pass through the work window."""
    spec = replace(spec, bank_words=spec.bank_words // 4)
    for seed in range(6):
        check(f"mixed network {seed}", spec, program(mixed_network(seed, spec), spec, trace=trace))


def test_a_load_before_its_store_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the order of the work window; a machine is seldom so quick that it shows."""
    monkeypatch.setattr("flows.mapper.home.Home._memory", lambda *_: (0, 0, "no window"))
    spec = replace(SMALL, bank_words=SMALL.bank_words // 4)
    found = [hazard(spec, program(mixed_network(seed, spec), spec)) for seed in range(6)]
    assert any(text and "(LOAD) reads window 3" in text for text in found)


@pytest.mark.parametrize("name", ["vit", "resnet"])
def test_trained_networks(name: str) -> None:
    check(name, DEFAULT, program(example(name), DEFAULT))


def test_a_missing_token_is_seen() -> None:
    """The judge can judge: taking out any edge that no other one replaces gives a hazard."""
    descriptors = program(random_network("attention", 3), SMALL)
    assert hazard(SMALL, descriptors) is None
    seen = edges = 0
    for index, taker in enumerate(descriptors):
        for unit in range(UNITS):
            if not taker.wait >> unit & 1:
                continue
            # The giver is the n-th that signals, where this is the n-th that waits.
            number = sum(d.unit is taker.unit and d.wait >> unit & 1 for d in descriptors[:index])
            givers = [i for i, d in enumerate(descriptors)
                      if d.unit == unit and d.signal >> taker.unit & 1]  # fmt: skip
            giver = givers[number]
            cut = list(descriptors)
            cut[index] = replace(taker, wait=taker.wait & ~(1 << unit))
            cut[giver] = replace(cut[giver], signal=cut[giver].signal & ~(1 << taker.unit))
            edges += 1
            seen += hazard(SMALL, cut) is not None
    assert edges > 10
    assert seen > edges / 2, f"only {seen} of {edges} missing tokens were seen"


def test_unbalanced_tokens_are_seen() -> None:
    fields = {"target": LoadTarget.SCRATCHPAD}
    load = Descriptor(unit=Unit.LOAD, fields=fields, signal=1 << Unit.STORE)
    store = Descriptor(unit=Unit.STORE, wait=1 << Unit.LOAD)
    assert clocks([load, store])[1][Unit.LOAD] == 1
    with pytest.raises(AssertionError, match="descriptor 0 waits for a token that nobody gives"):
        clocks([store, load])
    with pytest.raises(AssertionError, match="every token must be taken"):
        clocks([load])


def test_lock_ups_are_seen() -> None:
    """Parameters behind a weight stream that can only end once results are drained with them."""
    params = Descriptor(
        unit=Unit.LOAD, fields={"target": LoadTarget.PARAMS}, signal=1 << Unit.VECTOR
    )
    stream = Descriptor(unit=Unit.LOAD, fields={"target": LoadTarget.WEIGHTS})
    product = [
        Descriptor(unit=Unit.WEIGHT, fields={"source": WeightSource.STREAM, "tiles": 3}),
        Descriptor(unit=Unit.MATRIX, fields={"tiles": 3}),
        Descriptor(unit=Unit.VECTOR, fields={"op": VectorOp.DRAIN}, wait=1 << Unit.LOAD),
    ]
    assert run_to_end(SMALL, [params, stream, *product], tiles=1) == 5
    assert run_to_end(SMALL, [stream, params, *product], tiles=2) == 0
    assert run_to_end(SMALL, [stream, params, *product], tiles=3) == 5


def test_emitter_orders_only_what_meets() -> None:
    """Reads do not wait for reads, units not for themselves, and no one twice for one thing."""
    out = Emitter(SMALL)
    load, vector, store = Unit.LOAD, Unit.VECTOR, Unit.STORE
    one = {load: {"beats": 1}, vector: {"rows": 1, "channels": 1}, store: {"window": 2, "words": 1}}
    out.add(load, one[load], [writes(0, 4)])
    out.add(vector, one[vector], [reads(0, 4), writes(4, 8)])
    out.add(vector, one[vector], [reads(2, 3)])  # the load is known to be done
    out.add(store, one[store], [reads(0, 4)])  # reads beside reads: waits for the load alone
    out.add(load, one[load], [writes(8, 9)])  # touches nothing of others
    out.add(load, one[load], [writes(3, 5)])  # over what both have read and vector has written
    # Known to be done; and another memory.
    out.add(store, one[store], [reads(0, 3), reads(0, 9, "params")])
    bits = {unit: 1 << unit for unit in Unit}
    got = [(d.unit.name, d.wait, d.signal) for d in out.descriptors]
    assert got == [
        ("LOAD", 0, bits[vector] | bits[store]),
        ("VECTOR", bits[load], bits[load]),
        ("VECTOR", 0, 0),
        ("STORE", bits[load], bits[load]),
        ("LOAD", 0, 0),
        ("LOAD", bits[vector] | bits[store], 0),
        ("STORE", 0, 0),
    ]
