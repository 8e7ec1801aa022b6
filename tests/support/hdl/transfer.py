"""Everything that moves data, without anything that computes: fetch, load, store and scratchpad."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from hdl.axi.read_arbiter import ReadArbiter
from hdl.axi.signature import AxiReadSignature, AxiWriteSignature
from hdl.axi.window_check import window_layout
from hdl.control.program_fetch import ProgramFetch
from hdl.descriptors import struct
from hdl.emit import emit
from hdl.memory.scratchpad import Scratchpad, ScratchpadReader, beyond
from hdl.units.load_unit import TABLE_WRITE, LoadUnit, OrderWrite, ParamWrite
from hdl.units.store_unit import StoreUnit
from models.machine.spec import MachineSpec
from models.program.layout import ADDRESS, DESCRIPTOR_BYTES, LOAD, STORE
from sim.runner import Design, build
from tests.support.hdl.plan import terms
from tests.support.hdl.unit_benches import NOTE, word_write
from tests.support.specs import ODD, SMALL

BENCH = "tests.support.hdl.bench_transfer"
MEMORY_BYTES = 1 << 15

WIDE = MachineSpec(
    lanes=5, tokens=2, rows=5, vector_lanes=5, depth=40, banks=2, bank_words=256, param_entries=16,
    row_group=4, axi_width=128,
)  # fmt: skip
"""Words of ten bytes on a bus of sixteen."""

SPECS = {"32 bits": SMALL, "64 bits": ODD, "128 bits": WIDE}


class TransferBench(Component):
    """The units as the machine joins them; ``restart`` resets them, an error halts them."""

    def __init__(self, spec: MachineSpec) -> None:
        self.spec = spec
        axi = {
            f"axi_{name}": member
            for signature in (AxiReadSignature(spec.axi_width), AxiWriteSignature(spec.axi_width))
            for name, member in signature.members.items()
        }
        super().__init__(
            {
                **axi,
                # cocotbext-axi wants identifiers.
                "axi_arid": Out(1),
                "axi_rid": In(1),
                "axi_awid": Out(1),
                "axi_bid": In(1),
                "restart": In(1),
                "windows": In(window_layout()),
                "i_load": In(stream.Signature(struct(LOAD))),
                "i_store": In(stream.Signature(struct(STORE))),
                "i_fill": In(stream.Signature(word_write(spec))),
                "i_read": In(stream.Signature(ADDRESS.bits)),
                "i_fetch": In(stream.Signature(32)),
                "o_read": Out(stream.Signature(8 * spec.word_bytes)),
                "o_words": Out(stream.Signature(8 * spec.word_bytes)),
                "o_program": Out(stream.Signature(8 * DESCRIPTOR_BYTES)),
                "params": Out(ParamWrite(spec)),
                "order": Out(OrderWrite(spec)),
                "tables": Out(TABLE_WRITE),
                "load_done": Out(1),
                "store_done": Out(1),
                "load_error": Out(4),
                "store_error": Out(4),
                "fetch_error": Out(4),
                "bounds_error": Out(1),
                "quiet": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        load, store, fetch = LoadUnit(spec), StoreUnit(spec), ProgramFetch(spec)
        arbiter = ReadArbiter(spec.axi_width, clients=2)
        pad, back = Scratchpad(spec, readers=2, writers=2), ScratchpadReader(spec, NOTE)
        fresh = ResetInserter(self.restart)
        parts = {"load": load, "store": store, "fetch": fetch, "arbiter": arbiter, "pad": pad,
                 "back": back}  # fmt: skip
        for name, part in parts.items():
            m.submodules[name] = fresh(part)
        connect(m, fetch.memory, arbiter.client[0])
        connect(m, load.memory, arbiter.client[1])
        # Both units come last at their ports, as in the machine.
        connect(m, back.port, pad.read[0])
        connect(m, store.port, pad.read[1])
        connect(m, load.port, pad.write[1])
        connect(m, flipped(self.i_load), load.unit.descriptor)
        connect(m, flipped(self.i_store), store.unit.descriptor)
        connect(m, load.o_words, flipped(self.o_words))
        connect(m, fetch.o, flipped(self.o_program))
        bounds, halt = Signal(), Signal()
        fill = pad.write[0]
        m.d.comb += [
            fill.valid.eq(self.i_fill.valid),
            fill.address.eq(self.i_fill.payload.address),
            fill.data.eq(self.i_fill.payload.word),
            fill.enable.eq(~0),
            fill.over.eq(beyond(pad.spec, fill.address)),
            self.i_fill.ready.eq(fill.ready),
            back.i.valid.eq(self.i_read.valid),
            back.i.payload.address.eq(self.i_read.payload),
            self.i_read.ready.eq(back.i.ready),
            self.o_read.valid.eq(back.o.valid),
            self.o_read.payload.eq(back.o.payload.word),
            back.o.ready.eq(self.o_read.ready),
            fetch.start.eq(self.i_fetch.valid),
            fetch.offset.eq(self.i_fetch.payload),
            self.i_fetch.ready.eq(1),
            self.params.eq(load.params),
            self.order.eq(load.order),
            self.tables.eq(load.tables),
            self.load_done.eq(load.unit.done),
            self.store_done.eq(store.unit.done),
            self.load_error.eq(load.unit.error),
            self.store_error.eq(store.unit.error),
            self.fetch_error.eq(fetch.error),
            self.bounds_error.eq(bounds),
            self.quiet.eq(arbiter.idle & store.idle),
            fetch.stop.eq(halt),
            arbiter.halt.eq(halt),
            store.halt.eq(halt),
        ]
        with m.If(pad.out_of_bounds):
            m.d.sync += bounds.eq(1)
        errors = load.unit.error | store.unit.error | fetch.error | pad.out_of_bounds
        with m.If(errors.any()):
            m.d.sync += halt.eq(1)
        with m.If(self.restart):
            m.d.sync += [halt.eq(0), bounds.eq(0)]
        for component in (load, store, fetch):
            m.d.comb += component.windows.eq(self.windows)
        for bundle in (arbiter.axi, store.axi):
            for name, member in bundle.signature.members.items():
                outer, inner = getattr(self, f"axi_{name}"), getattr(bundle, name)
                m.d.comb += outer.eq(inner) if member.flow == Out else inner.eq(outer)
        return m


@dataclass(kw_only=True)
class Case:
    """One run from a restart to quiet.

    Attributes
    ----------
    memory : bytes as hexadecimal digits, from address 0
    windows : base and size of each
    fill, load, store, fetch, read : items of the input streams; ``fill`` goes first, ``read`` last
    rival_reads, rival_fill : items of ``read`` and ``fill`` while the units are at work
    words, program : items to come out of the output streams
    faults : byte addresses whose beats are answered by an error
    fails : the run ends with an error instead of with everything done
    """

    memory: str
    windows: list[tuple[int, int]]
    fill: list[int] = field(default_factory=list)
    load: list[int] = field(default_factory=list)
    store: list[int] = field(default_factory=list)
    fetch: list[int] = field(default_factory=list)
    read: list[int] = field(default_factory=list)
    rival_reads: list[int] = field(default_factory=list)
    rival_fill: list[int] = field(default_factory=list)
    words: int = 0
    program: int = 0
    faults: list[int] = field(default_factory=list)
    fails: bool = False


def run_cases(
    spec: MachineSpec, cases: list[Case], cache: Path, work: Path, *, seed: int
) -> list[dict[str, Any]]:
    """Run cases one after the other in one simulator; gives for each what the bench has seen."""
    name = "transfer_bench"
    simulator = build(Design(top=name, generated={name: emit(TransferBench(spec), name)}), cache)
    work.mkdir(parents=True, exist_ok=True)
    jobs: list[dict[str, Any]] = [asdict(case) for case in cases]
    for one in jobs:
        words = [terms(struct(STORE), item)["words"] for item in one["store"]]
        one["store_beats"] = [count * spec.beats_per_word for count in words]
    (work / "cases.json").write_text(json.dumps(jobs))
    simulator.run(BENCH, work, seed=seed, plusargs={"cases": "cases.json", "stalls": str(seed)})
    results: list[dict[str, Any]] = json.loads((work / "results.json").read_text())
    return results
