"""Collects descriptors and constants, and inserts the tokens that order the units."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flows.mapper.place import MappingError, RingSpace
from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.numerics.rescale import Integers
from models.program.descriptor import Descriptor, encode_program
from models.program.layout import (
    DESCRIPTOR_BYTES,
    FIELDS,
    PARAM_BYTES,
    PARAM_DRAIN,
    PARAM_NORM,
    ROW_ENTRIES,
    TABLE_ENTRIES,
    LoadTarget,
    pack,
    pack_columns,
)
from models.program.legal import broken_rule

ALIGNMENT = 4096


@dataclass(frozen=True)
class Access:
    """On-chip addresses ``start`` to ``stop`` that a descriptor reads or writes."""

    space: str
    start: int
    stop: int
    write: bool


def reads(start: int, stop: int, space: str = "scratchpad") -> Access:
    """Return a read access."""
    return Access(space, start, stop, False)


def writes(start: int, stop: int, space: str = "scratchpad") -> Access:
    """Return a write access."""
    return Access(space, start, stop, True)


NEUTRAL = {
    Unit.WEIGHT: {"rows": 1, "last_lanes": 1},
    Unit.VECTOR: {
        "tiles": 1, "width": 1, "kernel_y": 1, "kernel_x": 1, "mean_shift": 1,
    },
}  # fmt: skip
"""Values of fields that an operator does not use but that may not be 0."""


def pitched(spec: MachineSpec, data: bytes) -> bytes:
    """Pad data to whole scratchpad words, and each word to its pitch in the host's memory."""
    padded = data + bytes(-len(data) % spec.word_bytes)
    words = np.frombuffer(padded, dtype=np.uint8).reshape(-1, spec.word_bytes)
    wide = np.zeros((len(words), spec.word_pitch), dtype=np.uint8)
    wide[:, : spec.word_bytes] = words
    return wide.tobytes()


class Emitter:
    """A program under construction.

    If descriptors of two units access the same addresses, and at least one of them writes, a token
    from the earlier to the later one orders them. Every token is given once and taken once, in
    program order, so that a counter's tokens cannot be confused.

    Parameters
    ----------
    spec : MachineSpec
    packs : bool
        Pack weights; otherwise only reserve their bytes.
    """

    def __init__(self, spec: MachineSpec, *, packs: bool = True) -> None:
        self.spec = spec
        self.packs = packs
        self.descriptors: list[Descriptor] = []
        self.tag = 0
        # By space, then by unit and whether it writes: index, start and stop, in program order.
        self._accesses: dict[str, dict[tuple[Unit, bool], list[tuple[int, int, int]]]] = {}
        self._synced: dict[tuple[Unit, Unit], int] = {}
        self._constants: list[bytes] = []
        self._constant_at: dict[bytes, int] = {}
        self._constant_bytes = 0
        self._from_constants: set[int] = set()
        self.params = RingSpace(spec.param_entries, "channel parameters", "param_entries")
        self.orders = RingSpace(spec.param_entries, "row order", "param_entries")
        self.tables = RingSpace(TABLE_ENTRIES, "function tables")
        self.row_tables = RingSpace(ROW_ENTRIES, "row tables")

    def add(self, unit: Unit, fields: dict[str, int], accesses: Iterable[Access]) -> None:
        """Append a descriptor.

        Raises
        ------
        MappingError
            If a value does not fit its field, or breaks a rule of the machine.
        """
        fields = {**dict.fromkeys(FIELDS[unit], 0), **NEUTRAL.get(unit, {}), **fields}
        try:
            pack(FIELDS[unit], fields)
        except ValueError as error:
            raise MappingError(str(error)) from None
        wrong = broken_rule(self.spec, unit, fields)
        if wrong:
            raise MappingError(wrong)
        index = len(self.descriptors)
        wait = 0
        needed: dict[Unit, int] = {}
        own = list(accesses)
        for access in own:
            for (other, writing), seen in self._accesses.get(access.space, {}).items():
                if other is unit or not (access.write or writing):
                    continue
                ordered = self._synced.get((other, unit), -1)
                for earlier, start, stop in reversed(seen):
                    if earlier <= ordered:
                        break
                    if start < access.stop and access.start < stop:
                        needed[other] = max(needed.get(other, -1), earlier)
                        break
        for other, earlier in needed.items():
            self._synced[other, unit] = earlier
            wait |= 1 << other
            giver = self.descriptors[earlier]
            self.descriptors[earlier] = replace(giver, signal=giver.signal | 1 << unit)
        for access in own:
            self._remember(index, unit, access)
        self.descriptors.append(Descriptor(unit=unit, fields=fields, wait=wait, tag=self.tag))

    def _remember(self, index: int, unit: Unit, access: Access) -> None:
        """Record an access; drop earlier ones of the same unit and kind that it covers."""
        buckets = self._accesses.setdefault(access.space, {})
        start, stop = access.start, access.stop
        kept = [
            seen
            for seen in buckets.get((unit, access.write), ())
            if not (start <= seen[1] and seen[2] <= stop)
        ]
        buckets[unit, access.write] = [*kept, (index, start, stop)]

    def constant(self, data: bytes) -> int:
        """Store constant bytes, equal ones once; return their offset, aligned to a bus beat."""
        if data not in self._constant_at:
            self._constant_at[data] = self._constant_bytes
            padded = data + bytes(-len(data) % max(16, self.spec.axi_bytes))
            self._constants.append(padded)
            self._constant_bytes += len(padded)
        return self._constant_at[data]

    def load_constant(
        self, target: LoadTarget, address: int, data: bytes, accesses: Iterable[Access]
    ) -> None:
        """Emit a load of constant bytes to a target."""
        self._load(target, address, self.constant(data), len(data), accesses)

    def load_weights(self, size: int, make: Callable[[], bytes]) -> None:
        """Emit a load of ``size`` bytes of weights from ``make``, called only to pack weights."""
        if not self.packs:
            offset = self._constant_bytes
            self._constant_bytes += size + -size % max(16, self.spec.axi_bytes)
            self._load(LoadTarget.WEIGHTS, 0, offset, size, ())
            return
        data = make()
        assert len(data) == size
        self.load_constant(LoadTarget.WEIGHTS, 0, data, ())

    def _load(
        self, target: LoadTarget, address: int, offset: int, size: int, accesses: Iterable[Access]
    ) -> None:
        self._from_constants.add(len(self.descriptors))
        fields = {
            "target": target,
            "window": 0,
            "address": address,
            "offset": offset,
            "beats": -(-size // self.spec.axi_bytes),
        }
        self.add(Unit.LOAD, fields, accesses)

    def load_params(self, columns: Mapping[str, Integers], *, norm: bool, reach: int = 0) -> int:
        """Load channel parameters unless they are still on chip; return their first entry.

        At least ``reach`` entries from there on lie within the memory, even if fewer are loaded.
        """
        data = pack_columns(PARAM_NORM if norm else PARAM_DRAIN, columns, PARAM_BYTES)
        entries = -(-len(data) // PARAM_BYTES // self.spec.vector_lanes)
        address, there = self.params.take(data, max(entries, reach))
        if not there:
            access = [writes(address, address + entries, "params")]
            self.load_constant(LoadTarget.PARAMS, address, data, access)
        return address

    def load_order(self, entries: bytes) -> int:
        """Load a row order unless it is still on chip; return its first entry."""
        if not entries:
            return 0
        count = len(entries) // self.spec.word_bytes
        address, there = self.orders.take(entries, count)
        if not there:
            access = [writes(address, address + count, self.orders.what)]
            data = pitched(self.spec, entries)
            self.load_constant(LoadTarget.ORDER, address, data, access)
        return address

    def load_table(self, entries: Integers, *, row: bool) -> int:
        """Load a table unless it is still on chip; return its first entry."""
        data = (np.asarray(entries) & 0xFFFF).astype("<u2").tobytes()
        data += bytes(-len(data) % self.spec.axi_bytes)
        space = self.row_tables if row else self.tables
        target = LoadTarget.ROW_TABLE if row else LoadTarget.FUNCTION_TABLE
        count = len(data) // 2
        address, there = space.take(data, count)
        if not there:
            access = [writes(address, address + count, space.what)]
            self.load_constant(target, address, data, access)
        return address

    def finish(self) -> NDArray[np.uint8]:
        """Return the image of window 0: program, then constants from the next 4 KB page."""
        size = (len(self.descriptors) + 2) * DESCRIPTOR_BYTES
        base = -(-size // ALIGNMENT) * ALIGNMENT
        final = [
            replace(d, fields={**d.fields, "offset": d.fields["offset"] + base})
            if index in self._from_constants
            else d
            for index, d in enumerate(self.descriptors)
        ]
        program = encode_program(self.spec, final)
        image = program + bytes(base - len(program)) + b"".join(self._constants)
        return np.frombuffer(image, dtype=np.uint8).copy()


class Silent(Emitter):
    """An emitter that discards its input, for mappings of which only the places are needed."""

    def __init__(self, spec: MachineSpec) -> None:
        super().__init__(spec, packs=False)

    def add(self, unit: Unit, fields: dict[str, int], accesses: Iterable[Access]) -> None:
        """Discard a descriptor."""
