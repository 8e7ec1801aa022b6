"""The memories that are counted as block RAM are those that the hardware has."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest
from amaranth.back import rtlil

from hdl.machine import Machine
from models.cost.memories import BlockMemory, block_memories, block_rams
from models.machine.spec import MachineSpec
from tests.support.specs import DEFAULT, ODD, SMALL

BLOCK_BITS = 4096
"""A memory above this size belongs in block RAM; the machine's queues and buffers are smaller."""
QUEUE_WORDS = 32
"""No memory of so few words does, however wide: a LUT holds as many."""

MEMORY = re.compile(r"^\s*memory width (\d+) size (\d+) ", re.MULTILINE)
MODULE = re.compile(r"^module (\S+)$(.*?)^end$", re.MULTILINE | re.DOTALL)
CELL = re.compile(r"^\s*cell (\S+) \S+$", re.MULTILINE)


def memories(spec: MachineSpec) -> Counter[tuple[int, int]]:
    """Width and depth of every memory of a machine, and how many there are of each.

    Read from the netlist that the Verilog is written from.
    """
    text = rtlil.convert(Machine(spec), name="machine", emit_src=False)
    modules = dict(MODULE.findall(text))
    assert len(modules) > 20

    def count(name: str) -> Counter[tuple[int, int]]:
        found = Counter((int(w), int(d)) for w, d in MEMORY.findall(modules[name]))
        for cell in CELL.findall(modules[name]):
            if cell in modules:
                found += count(cell)
        return found

    return count("\\machine")


CLASSES = replace(SMALL, lanes=8, depth=2048, param_entries=128).with_classes(
    [("fixed8", 8), ("pot4", 8)]
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "spec", [DEFAULT, SMALL, ODD, CLASSES], ids=["default", "small", "odd", "classes"]
)
def test_they_are_those_of_the_hardware(spec: MachineSpec) -> None:
    found = memories(spec)
    got = {
        (width, words): n
        for (width, words), n in found.items()
        if width * words > BLOCK_BITS and words > QUEUE_WORDS
    }
    want: Counter[tuple[int, int]] = Counter()
    for memory in block_memories(spec):
        want[memory.width, memory.depth] += memory.count
    assert got == want, f"hardware {sorted(got.items())}, counted {sorted(want.items())}"
    rest = sum(w * d * n for (w, d), n in found.items() if (w, d) not in got)
    assert rest < 8 * BLOCK_BITS, f"{rest} bits of small memories: are they LUT RAM?"


@pytest.mark.parametrize(
    ("width", "depth", "byte_writes", "blocks"),
    [
        (72, 512, False, 2),
        (73, 512, False, 3),
        (72, 513, False, 4),
        (36, 1024, False, 2),
        (16, 1024, False, 1),  # 18 bits wide, two of them unused
        (16, 2048, False, 2),
        (1, 16384, False, 1),
        (128, 4096, False, 30),  # a ninth bit of every byte is used as well
        (128, 4096, True, 32),  # by bytes it is not
        (64, 512, True, 2),
        (72, 512, True, 3),
    ],
)
def test_blocks_of_a_shape(width: int, depth: int, byte_writes: bool, blocks: int) -> None:
    """Counted by hand from the shapes a block of 18 Kb can take."""
    memory = BlockMemory(name="m", width=width, depth=depth, byte_writes=byte_writes)
    assert memory.half_blocks == blocks
    assert replace(memory, count=3).half_blocks == 3 * blocks


def test_the_default_machine() -> None:
    """Scratchpad 64, weights 8, parameters 8, function tables 8, row table 1."""
    assert block_rams(DEFAULT) == 90
