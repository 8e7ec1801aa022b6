from dataclasses import replace

import pytest

from models.machine.memory import NEAR, MemoryTiming


@pytest.mark.parametrize(
    ("name", "value", "limits"),
    [
        ("read_latency", 0, "1 to 4000"),
        ("write_latency", 4001, "1 to 4000"),
        ("reads", 0, "1 to 32"),
        ("writes", 33, "1 to 32"),
        ("rate", 0, "1 to 512"),
        ("rate", 513, "1 to 512"),
    ],
)
def test_out_of_range(name: str, value: int, limits: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} of a memory must be {limits}, not {value}$"):
        replace(NEAR, **{name: value})  # type: ignore[arg-type]


def test_one_direction_takes_a_beat_a_cycle_at_most() -> None:
    assert NEAR.beats_per_cycle == 1
    assert replace(NEAR, rate=300).beats_per_cycle == 1
    assert replace(NEAR, rate=64).beats_per_cycle == 0.25


def test_facts_make_the_same_memory() -> None:
    facts = NEAR.facts()
    assert MemoryTiming(**facts) == NEAR  # type: ignore[arg-type]
    assert NEAR.text().startswith("near: 30 cycles")
