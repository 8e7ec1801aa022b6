"""Hand-made runs, of which it is plain what a layer waited for."""

from __future__ import annotations

import numpy as np

from flows.run.executed import Executed
from flows.run.waits import Cause, LayerTime, Waits
from models.machine.units import Unit
from models.program.descriptor import Descriptor
from models.program.layout import LoadTarget
from tests.support.specs import SMALL

LOAD, WEIGHT, MATRIX, VECTOR, STORE = list(Unit)[:5]


class Run:
    """Descriptors in program order; a unit's ``after`` has its own one before it by itself."""

    def __init__(self) -> None:
        self.done: list[Executed] = []

    def add(
        self, unit: Unit, start: int, stop: int, *, tag: int = 1, after: tuple[int, ...] = (),
        **fields: int,
    ) -> int:  # fmt: skip
        before = [one.index for one in self.done if one.unit is unit][-1:]
        index = len(self.done)
        self.done.append(
            Executed(
                index=index, descriptor=Descriptor(unit=unit, tag=tag, fields=fields),
                start=start, stop=stop, after=(*before, *after),
            )
        )  # fmt: skip
        return index

    def load(self, target: LoadTarget, start: int, stop: int, *, tag: int = 1) -> int:
        return self.add(LOAD, start, stop, tag=tag, target=target)

    def product(
        self, beats: int, start: int, stop: int, *, tag: int = 1, after: tuple[int, ...] = ()
    ) -> int:
        """Of one tile: ``beats`` words of one beat each, for one group of tokens."""
        return self.add(
            MATRIX, start, stop, tag=tag, after=after, tiles=1, tokens=SMALL.tokens, kernel_y=1,
            kernel_x=beats, words=1, last_beats=1,
        )  # fmt: skip

    def layer(self, tag: int = 1) -> LayerTime:
        time = Waits(self.done, SMALL).layer(tag)
        assert time is not None
        assert time.work + sum(time.waits.values()) == time.stop - time.start
        return time


def test_a_layer_without_descriptors() -> None:
    assert Waits([], SMALL).layer(1) is None


def test_a_product() -> None:
    """Its tensor until 20, dispatch until 22, weights until 30, 8 beats, sums, the drain, store."""
    run = Run()
    tensor = run.load(LoadTarget.SCRATCHPAD, 5, 20)
    run.load(LoadTarget.WEIGHTS, 21, 29)
    run.add(WEIGHT, 10, 30, tiles=1)
    product = run.product(8, 22, 45, after=(tensor,))
    drain = run.add(VECTOR, 23, 60)
    run.add(STORE, 62, 70, after=(drain,))
    assert product == 3
    time = run.layer()
    assert (time.lead, time.start, time.stop, time.work) == (MATRIX, 5, 70, 8)
    assert time.waits == {
        Cause.TENSORS: 15,
        Cause.DISPATCH: 2 + 2,
        Cause.FEED: 8,
        Cause.SUMS: 45 - 22 - 8 - 8,
        Cause.VECTOR: 15,
        Cause.STORE: 8,
    }


def test_weights_that_come_late_count_no_more_than_what_was_idle() -> None:
    """In the array at 40, but of 22 cycles 20 had a beat."""
    run = Run()
    run.add(WEIGHT, 10, 40, tiles=1)
    run.product(20, 10, 32)
    run.add(VECTOR, 11, 42)
    time = run.layer()
    assert (time.work, time.waits) == (20, {Cause.FEED: 2, Cause.VECTOR: 10})


def test_the_chain_is_followed_to_what_is_at_work() -> None:
    """The product waits for a vector operator, which waits for a store that leaves it room."""
    run = Run()
    store = run.add(STORE, 0, 30, tag=1)
    vector = run.add(VECTOR, 33, 50, tag=2, after=(store,))
    run.add(WEIGHT, 10, 20, tag=3, tiles=1)
    run.product(5, 54, 59, tag=3, after=(vector,))
    time = run.layer(3)
    assert (time.start, time.stop, time.work) == (10, 59, 5)
    assert time.waits == {Cause.STORE: 20, Cause.DISPATCH: 3 + 4, Cause.VECTOR: 17}


def test_of_two_the_one_that_ends_last() -> None:
    run = Run()
    tensor = run.load(LoadTarget.SCRATCHPAD, 0, 30)
    vector = run.add(VECTOR, 0, 20)
    run.product(5, 30, 35, after=(vector, tensor))
    run.add(WEIGHT, 0, 1, tiles=1)
    assert run.layer().waits == {Cause.TENSORS: 30}


def test_loads_by_what_they_bring() -> None:
    """A vector operator behind a load of weights, one of a table and one of a tensor."""
    run = Run()
    run.load(LoadTarget.WEIGHTS, 0, 10)
    run.load(LoadTarget.FUNCTION_TABLE, 10, 14)
    last = run.load(LoadTarget.SCRATCHPAD, 14, 20)
    run.add(VECTOR, 20, 25, after=(last,))
    time = run.layer()
    assert (time.lead, time.work) == (VECTOR, 5)
    assert time.waits == {Cause.WEIGHTS: 10, Cause.PARAMETERS: 4, Cause.TENSORS: 6}


def test_another_layer_has_the_unit() -> None:
    """Weights come while the layer before still multiplies; then the filler is waited for."""
    run = Run()
    run.add(WEIGHT, 0, 10, tag=1, tiles=1)
    run.add(WEIGHT, 12, 45, tag=2, tiles=1)
    run.product(20, 10, 40, tag=1)
    product = run.product(5, 40, 52, tag=2)
    run.add(VECTOR, 50, 55, tag=2, after=(product,))
    time = run.layer(2)
    assert time.waits == {Cause.OTHERS: 28, Cause.FEED: 5, Cause.SUMS: 2, Cause.VECTOR: 3}


def test_units_without_products_lead() -> None:
    run = Run()
    load = run.load(LoadTarget.SCRATCHPAD, 0, 10)
    run.add(STORE, 12, 20, after=(load,))
    time = run.layer()
    assert (time.lead, time.work, time.waits) == (LOAD, 10, {Cause.DISPATCH: 2, Cause.STORE: 8})


def test_parts_add_up_in_random_runs() -> None:
    """Whatever units did when: every cycle of every span has one cause or is work."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        run, free = Run(), dict.fromkeys(list(Unit)[:5], 0)
        for tag in (1, 2, 3):
            for _ in range(int(rng.integers(1, 8))):
                unit = list(Unit)[int(rng.integers(0, 5))]
                units = [unit] if unit is not MATRIX else [WEIGHT, MATRIX]
                for each in units:
                    several = map(int, rng.integers(0, len(run.done) + 1, 2))
                    after = tuple({i for i in several if i < len(run.done)})
                    ready = max((run.done[i].stop for i in after), default=0)
                    start = max(free[each], ready) + int(rng.integers(0, 5))
                    stop = free[each] = start + int(rng.integers(1, 30))
                    if each is MATRIX:
                        run.product(int(rng.integers(1, 40)), start, stop, tag=tag, after=after)
                    elif each is LOAD:
                        run.add(LOAD, start, stop, tag=tag, after=after, target=seed % 3)
                    else:
                        run.add(each, start, stop, tag=tag, after=after, tiles=1)
        for tag in {one.tag for one in run.done}:
            time = run.layer(tag)
            assert min(time.waits.values(), default=1) > 0
