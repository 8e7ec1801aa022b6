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
from tests.support.addresses import touched
from tests.support.ordering import hazard
from tests.support.random_networks import KINDS, random_codes, random_network

COUNTS = {
    "tiles", "tokens", "rows", "channels", "width", "kernel_y", "kernel_x", "words", "entries",
    "beats", "last_beats", "last_lanes",
}  # fmt: skip
"""Fields that say how much is to be done: a large value would be hours of work, and no error."""

UNDEFINED = re.compile(
    r"drain must have|weight tile must be|executable: shift must be 0|row must be -\d+ at least|"
    r"executable: index \d+ is out of bounds|layer norm input after its pre-shift must fit|"
    r"sums of a part of K must fit"
)
"""Of what the golden machine says: the hardware does not tell."""

CONTENTS = ((0, 256), (0, 1), (1, 127), (127, 128), (128, 129), (255, 256), (0, 256))
"""Least byte of the memories at power-up, and the first that is too large: what depends on them may
be the same with two of them."""


@dataclass(frozen=True, kw_only=True)
class Mutated:
    """A changed program and its verdict.

    Attributes
    ----------
    refused
        why the golden machine refuses it; None if it runs.
    memory
        all of the memory after it has run.
    open
        bytes of the memory that depend on what memories on the chip held at power-up, such as those
        that fill a word up.
    closed
        no word on the chip is read before it is written but those that the unchanged program reads.
    ordered
        no two units meet in a memory without an order, nor a vector descriptor itself; what is left
        by others depends on time.
    defined
        hardware tells what is wrong with it, if anything is. It does not tell that units disagree
        on the length of what goes from one to the other, nor that numbers in memory are none that
        parameters or weights may be (docs/program.md).
    """

    name: str
    network: MappedNetwork
    codes: Integers
    refused: str | None
    memory: NDArray[np.uint8]
    open: NDArray[np.bool_]
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
        before, meets = _unwritten(spec, program), _meeting(spec, program)
        said = _mutate(program, rng)
        image = network.image.copy()
        text = encode_program(spec, program)
        image[: len(text)] = np.frombuffer(text, dtype=np.uint8)
        changed = replace(network, image=image)
        one = _judge(f"{kind} network {which}, {said}", changed, program, codes, seed + number)
        if one.refused is None:
            one = replace(
                one,
                closed=_unwritten(spec, program) <= before,
                ordered=one.ordered and _meeting(spec, program) <= meets,
            )
        yield one


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
    defined, refusals = True, 0
    for number, (low, high) in enumerate(CONTENTS):
        memory = memory_before(network, codes)
        windows = [
            memory[base : base + size]
            for base, size in zip(layout.bases, layout.sizes, strict=True)
        ]
        machine = GoldenMachine(network.spec, windows)
        _fill(machine, np.random.default_rng([seed, number]), low, high)
        try:
            machine.run()
        except ProgramError as error:
            refused = str(error)
            refusals += 1
            defined &= not UNDEFINED.search(refused)
        state = machine.state
        if refused is None:
            defined &= not (state.weight_words or state.tiles or state.accumulators)
        ends.append(memory)
    try:
        ordered = refused is None and hazard(network.spec, program) is None
    except IndexError:  # nothing is loaded, beyond the end of a memory
        ordered = False
    # Refused with some contents only: it is they that are refused.
    defined &= refusals in (0, len(CONTENTS))
    return Mutated(
        name=name, network=network, codes=codes, refused=refused, memory=ends[0],
        open=(np.array(ends) != ends[0]).any(axis=0), closed=False, ordered=ordered,
        defined=defined,
    )  # fmt: skip


def _meeting(spec: MachineSpec, program: list[Descriptor]) -> set[int]:
    """Descriptors that meet themselves; results of several row classes may seem to."""
    return {index for index, one in enumerate(program) if _meets_itself(spec, one)}


def _meets_itself(spec: MachineSpec, one: Descriptor) -> bool:
    """A vector descriptor writes a word twice, or one that it reads: which is first is open."""
    if one.unit is not Unit.VECTOR:
        return False
    fields = one.fields
    row_words = -(-fields["channels"] * (1 + fields["wide_out"]) // spec.word_bytes)
    accesses = touched(spec, one)
    written = {at for name, where, write in accesses if write for at in where.tolist()}
    read = {
        at
        for name, where, write in accesses
        if not write and name == "scratchpad"
        for at in where.tolist()
    }
    return len(written) < fields["rows"] * row_words or bool(written & read)


def _unwritten(spec: MachineSpec, program: list[Descriptor]) -> set[tuple[str, int]]:
    """Words on the chip that are read before they are written, by memory and address.

    A drain of several row classes reads parameters for rows that fill a tile up, whose results go
    nowhere: a program that is right may do so, too.
    """
    there: set[tuple[str, int]] = set()
    found: set[tuple[str, int]] = set()
    for one in program:
        accesses = touched(spec, one) if one.unit is not Unit.END else []
        for memory, addresses, written in accesses:
            if not written:
                found |= {(memory, at) for at in addresses.tolist()} - there
        for memory, addresses, written in accesses:
            if written:
                there |= {(memory, at) for at in addresses.tolist()}
    return found


def _fill(machine: GoldenMachine, rng: np.random.Generator, low: int, high: int) -> None:
    state = machine.state
    for memory in (state.scratchpad, state.params, state.order):
        memory[:] = rng.integers(low, high, memory.shape)
    # Of a drain's shift no other values are defined.
    state.params[..., -1] = rng.integers(0, SHIFT_MAX + 1, state.params.shape[:-1])
    for table in (state.function_table, state.row_table):
        table[:] = rng.integers(0, 1 << 16, table.shape)
