import pytest

from flows.run.activity import Interval
from flows.run.executed import executed
from models.machine.units import Unit
from models.program.descriptor import Descriptor


def one(unit: Unit, *, wait: tuple[Unit, ...] = (), signal: tuple[Unit, ...] = ()) -> Descriptor:
    return Descriptor(
        unit=unit, tag=1, wait=sum(1 << u for u in wait), signal=sum(1 << u for u in signal)
    )


def test_what_was_before() -> None:
    """The n-th token that a unit takes from another is the n-th that it was given."""
    program = [
        one(Unit.LOAD, signal=(Unit.MATRIX,)),
        one(Unit.LOAD, signal=(Unit.MATRIX, Unit.VECTOR)),
        one(Unit.MATRIX, wait=(Unit.LOAD,), signal=(Unit.VECTOR,)),
        one(Unit.MATRIX, wait=(Unit.LOAD,)),
        one(Unit.VECTOR, wait=(Unit.LOAD, Unit.MATRIX)),
    ]
    found = [
        Interval(Unit.LOAD, 1, 0, 10),
        Interval(Unit.LOAD, 1, 12, 20),
        Interval(Unit.MATRIX, 1, 13, 18),
        Interval(Unit.MATRIX, 1, 22, 30),
        Interval(Unit.VECTOR, 1, 23, 40),
    ]
    done = executed(program, found[::-1])
    assert [(d.index, d.unit, d.start, d.stop, d.cycles) for d in done] == [
        (index, i.unit, i.start, i.stop, i.cycles) for index, i in enumerate(found)
    ]
    assert [d.after for d in done] == [(), (0,), (0,), (2, 1), (1, 2)]


@pytest.mark.parametrize("tags", [(), (2,), (1, 1)])
def test_events_of_another_run(tags: tuple[int, ...]) -> None:
    found = [Interval(Unit.STORE, tag, 10 * i, 10 * i + 5) for i, tag in enumerate(tags)]
    text = f"of the store unit must be those of its 1 descriptors .* not of {len(tags)} others"
    with pytest.raises(ValueError, match=text):
        executed([one(Unit.STORE)], found)
