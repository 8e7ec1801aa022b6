"""Programs with one field changed at random, and what the golden machine says of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flows.mapper import MappedNetwork, map_network
from flows.out_folder.memory_layout import memory_layout
from flows.run.execute import memory_before
from models.golden.machine import GoldenMachine
from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.numerics.rescale import SHIFT_MAX, Integers
from models.program.descriptor import Descriptor, ProgramError, decode_program, encode_program
from models.program.layout import FIELDS, Field
from tests.support.ordering import hazard
from tests.support.random_networks import KINDS, random_codes, random_network

COUNTS = {
    "tiles", "tokens", "rows", "channels", "width", "kernel_y", "kernel_x", "words", "entries",
    "beats", "last_beats", "last_lanes",
}  # fmt: skip
"""Fields that say how much is to be done: a large value would be hours of work, and no error."""

UNDEFINED = re.compile(r"drain must have|weight tile must be|executable: shift must be 0 to 62")

CONTENTS = 8
"""Of the memories at power-up: what depends on them may be the same in two of them."""


@dataclass(frozen=True, kw_only=True)
class Mutated:
    """A changed program and its verdict.

    Attributes
    ----------
    refused
        why the golden machine refuses it; None if it runs.
    memory
        all of the memory after it has run.
    closed
        the memory does not depend on what memories on the chip held at power-up.
    ordered
        no two units meet in a memory without an order; what is left by others depends on time.
    defined
        hardware tells what is wrong with it, if anything is. It cannot tell (docs/program.md) that
        units disagree on the length of what goes from one to the other, nor that parameters are
        none.
    """

    name: str
    network: MappedNetwork
    codes: Integers
    refused: str | None
    memory: NDArray[np.uint8]
    closed: bool
    ordered: bool
    defined: bool


def mutated_programs(spec: MachineSpec, count: int, seed: int) -> Iterator[Mutated]:
    """Changed programs of random networks of every kind."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        kind, which = KINDS[number % len(KINDS)], int(rng.integers(0, 1000))
        graph = random_network(kind, which, spec.classes, spec.act_bits)
        codes = random_codes(graph, which)[0]
        network = map_network(graph, spec)
        program = decode_program(spec, network.image.tobytes())
        said = _mutate(program, rng)
        image = network.image.copy()
        text = encode_program(spec, program)
        image[: len(text)] = np.frombuffer(text, dtype=np.uint8)
        changed = replace(network, image=image)
        yield _judge(f"{kind} network {which}, {said}", changed, program, codes, seed + number)


def _mutate(program: list[Descriptor], rng: np.random.Generator) -> str:
    """Change one field of one descriptor; returns what."""
    index = int(rng.choice([i for i, d in enumerate(program) if d.unit is not Unit.END]))
    old = program[index]
    name = str(rng.choice(list(FIELDS[old.unit])))
    before = old.fields[name]
    value = _other(FIELDS[old.unit][name], name, before, rng)
    program[index] = replace(old, fields={**old.fields, name: value})
    return f"{name} of descriptor {index} ({old.unit.name}) {value}, not {before}"


def _other(field: Field, name: str, before: int, rng: np.random.Generator) -> int:
    """Another value: a step, an end of the field's range, a flipped bit, anything."""
    low = -(1 << field.bits - 1) if field.signed else 0
    high = low + (1 << field.bits) - 1
    if name in COUNTS:
        high = min(high, 2 * before + 2)
    flipped = before ^ (1 << int(rng.integers(0, field.bits)))
    choices = (before + 1, before - 1, low, high, flipped, int(rng.integers(low, high + 1)))
    return int(np.clip(int(rng.choice(choices)), low, high))


def _judge(
    name: str, network: MappedNetwork, program: list[Descriptor], codes: Integers, seed: int
) -> Mutated:
    """Run it with several contents of all memories on the chip."""
    layout = memory_layout(network)
    ends: list[NDArray[np.uint8]] = []
    refused: str | None = None
    defined = True
    for contents in range(CONTENTS):
        memory = memory_before(network, codes)
        windows = [
            memory[base : base + size]
            for base, size in zip(layout.bases, layout.sizes, strict=True)
        ]
        machine = GoldenMachine(network.spec, windows)
        _fill(machine, np.random.default_rng([seed, contents]))
        try:
            machine.run()
        except ProgramError as error:
            refused = str(error)
            defined &= not UNDEFINED.search(refused)
        state = machine.state
        if refused is None:
            defined &= not (state.weight_words or state.tiles or state.accumulators)
        ends.append(memory)
    try:
        ordered = refused is None and hazard(network.spec, program) is None
    except IndexError:  # nothing is loaded, beyond the end of a memory
        ordered = False
    return Mutated(
        name=name, network=network, codes=codes, refused=refused, memory=ends[0],
        closed=all(np.array_equal(end, ends[0]) for end in ends), ordered=ordered, defined=defined,
    )  # fmt: skip


def _fill(machine: GoldenMachine, rng: np.random.Generator) -> None:
    state = machine.state
    low, high = sorted(rng.choice([0, 1, 127, 128, 255, 256], 2, replace=False).tolist())
    for memory in (state.scratchpad, state.params, state.order):
        memory[:] = rng.integers(low, high, memory.shape)
    # Of a drain's shift no other values are defined.
    state.params[..., -1] = rng.integers(0, SHIFT_MAX + 1, state.params.shape[:-1])
    for table in (state.function_table, state.row_table):
        table[:] = rng.integers(0, 1 << 16, table.shape)
