"""A machine's parts: what is synthesised by itself, how often it occurs, and what it depends on.

A part is a module of the machine with all it contains, except other parts, which are black boxes
in it. A machine's figures are the sums over its parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from models.machine.spec import MachineSpec

__all__ = ["Key", "Part", "machine_parts"]

Key = tuple[tuple[str, int | str], ...]


@dataclass(frozen=True)
class Part:
    """One kind of part of a machine; the same netlist if name, key and family are.

    Attributes
    ----------
    name : name of the part in the data
    count : number of such parts in the machine
    key : everything that its netlist depends on, without the family
    make : makes the Amaranth component
    boxes : submodules that are parts of their own (patterns of names)
    reset : whether a start resets it
    """

    name: str
    count: int = field(compare=False)
    key: Key
    make: Callable[[], Any] = field(compare=False)
    boxes: tuple[str, ...] = field(default=(), compare=False)
    reset: bool = field(default=True, compare=False)


def machine_parts(spec: MachineSpec, family: str) -> list[Part]:
    """All parts of a machine; those with the same key are the same netlist."""
    return [*_units(spec), *_vector(spec), *_engine(spec, family)]


def _key(**values: int | str | bool) -> Key:
    return tuple((k, int(v) if isinstance(v, bool) else v) for k, v in values.items())


def _units(spec: MachineSpec) -> Iterator[Part]:
    from hdl.axi.read_arbiter import ReadArbiter
    from hdl.control.program_fetch import ProgramFetch
    from hdl.control.registers import ControlRegisters
    from hdl.control.sequencer import Sequencer
    from hdl.memory.scratchpad import Scratchpad
    from hdl.units.load_unit import LoadUnit
    from hdl.units.matrix_unit import MatrixUnit
    from hdl.units.store_unit import StoreUnit
    from hdl.units.weight_unit import WeightUnit

    word, axi = spec.word_bytes, spec.axi_width
    classes = bool(spec.classes)
    # These hold the machine's fingerprint or its limits as constants, a few LUTs either way: they
    # are those of one machine, so that they are the same part everywhere.
    plain = MachineSpec()
    bus = MachineSpec(axi_width=axi)
    yield Part("control", 1, (), lambda: ControlRegisters(plain), reset=False)
    yield Part("fetch", 1, _key(axi_width=axi), lambda: ProgramFetch(bus))
    queue = spec.queue_depth
    yield Part("sequencer", 1, _key(queue_depth=queue),
               lambda: Sequencer(MachineSpec(queue_depth=queue)))  # fmt: skip
    yield Part("arbiter", 1, _key(axi_width=axi), lambda: ReadArbiter(axi, clients=2))
    load = _key(axi_width=axi, word_bytes=word, vector_lanes=spec.vector_lanes,
                param_entries=spec.param_entries)  # fmt: skip
    yield Part("load", 1, load, lambda: LoadUnit(_sized(spec)))
    weight = _key(
        lanes=spec.lanes,
        tokens=spec.tokens,
        rows=spec.rows,
        held=spec.dynamic_rows or spec.vector_lanes,
        entries=spec.depth_entries,
        slot=spec.classes[0].slot if classes else 0,
        groups=sum(-(-k.rows // k.rows_per_word(spec.tokens)) for k in spec.classes),
        paused=int(spec.beats_per_word > 1),
    )
    yield Part("weight", 1, weight, lambda: WeightUnit(spec))
    matrix = _key(lanes=spec.lanes, tokens=spec.tokens, act_width=spec.act_width)
    yield Part("matrix", 1, matrix, lambda: MatrixUnit(spec))
    yield Part("store", 1, _key(axi_width=axi, word_bytes=word), lambda: StoreUnit(spec))
    scratchpad = _key(word_bytes=word, banks=spec.banks, bank_words=spec.bank_words)
    yield Part("scratchpad", 1, scratchpad, lambda: Scratchpad(spec, readers=4, writers=2))


def _vector(spec: MachineSpec) -> Iterator[Part]:
    from hdl.vector.issue import VectorIssue
    from hdl.vector.lane import VectorLane
    from hdl.vector.operand_fetch import VectorFetch
    from hdl.vector.reduce import RowReduce
    from hdl.vector.row_scalar import RowScalar
    from hdl.vector.vector_unit import VectorUnit

    lanes, word, group = spec.vector_lanes, spec.word_bytes, spec.row_group
    yield Part("vector lane", lanes, (), VectorLane)
    fetch = _key(word_bytes=word, vector_lanes=lanes, row_group=group)
    yield Part("vector fetch", 1, fetch, lambda: VectorFetch(spec))
    issue = _key(
        word_bytes=word,
        vector_lanes=lanes,
        tokens=spec.tokens,
        beats=spec.rows // lanes,
        short=max(spec.dynamic_rows // lanes, 1),
        row_group=group,
        acc_width=spec.acc_width,
        scatter=spec.scatter,
        param_entries=spec.param_entries if spec.scatter else 0,
    )
    yield Part("vector issue", 1, issue, lambda: VectorIssue(spec))
    yield Part("vector reduce", 1, _key(vector_lanes=lanes, row_group=group),
               lambda: RowReduce(_without_order(spec)))  # fmt: skip
    yield Part("vector scalar", 1, _key(row_group=group), lambda: RowScalar(spec))
    rest = _key(word_bytes=word, vector_lanes=lanes, row_group=group,
                param_entries=spec.param_entries, scatter=spec.scatter)  # fmt: skip
    boxes = ("*.fetch", "*.issue", "*.reduce", "*.scalar", "*.lane*")
    yield Part("vector", 1, rest, lambda: VectorUnit(_sized(spec)), boxes)


def _sized(spec: MachineSpec) -> MachineSpec:
    """A machine with one scratchpad for all: with its size, writers compare upper address bits."""
    return replace(spec, banks=4, bank_words=4096)


def _without_order(spec: MachineSpec) -> MachineSpec:
    """A machine whose tags have no entry of the row order: reductions do not look at it."""
    return MachineSpec(lanes=spec.word_bytes, tokens=1, rows=spec.vector_lanes,
                       vector_lanes=spec.vector_lanes, row_group=spec.row_group,
                       depth=2 * spec.word_bytes) if spec.scatter else spec  # fmt: skip


def _engine(spec: MachineSpec, family: str) -> Iterator[Part]:
    from hdl.engine.digital_array import DigitalArray
    from hdl.engine.row_array import RowArray
    from hdl.rows.choose import row_blocks

    shape: dict[str, int | str | bool] = {
        "lanes": spec.lanes,
        "tokens": spec.tokens,
        "rows": spec.rows,
        "vector_lanes": spec.vector_lanes,
        "depth": spec.depth,
    }
    if not spec.classes:
        yield Part("array", 1, _key(**shape), lambda: DigitalArray(spec))
        return
    text = ",".join(map(str, spec.classes))
    engine = _key(**shape, act_bits=spec.act_bits, classes=text)
    yield Part("grid", 1, engine, lambda: RowArray(spec, family), ("*.block*",))
    for kind in spec.classes:
        classes = [(kind.format, kind.rows)]
        blocks = row_blocks(classes, family=family, tokens=spec.tokens, lanes=spec.lanes,
                            act_bits=spec.act_width)  # fmt: skip
        for size in sorted({block.rows for block in blocks}):
            same = [block for block in blocks if block.rows == size]
            block = _key(
                format=kind.format,
                rows=size,
                tokens=spec.tokens,
                lanes=spec.lanes,
                act_bits=spec.act_bits,
            )
            yield Part(f"{same[0].kind} rows", len(same), block, partial(_itself, same[0]))


def _itself(block: Any) -> Any:
    return block
