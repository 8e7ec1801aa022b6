"""The scratchpad and its reader against a model, port by port and cycle by cycle."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from amaranth.hdl import Module
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from hdl.emit import emit
from hdl.memory.scratchpad import ReadPort, Scratchpad, ScratchpadReader, WritePort
from models.machine.spec import MachineSpec
from models.program.layout import SUM_BITS
from sim.runner import Design, build

BENCH = "tests.support.hdl.bench_scratchpad"
READERS, WRITERS = 2, 2
META = data.StructLayout({"number": 16})
FOUR_BANKS = MachineSpec(
    lanes=6, tokens=3, rows=9, vector_lanes=3, depth=60, banks=4, bank_words=32
)
ONE_BANK = MachineSpec(lanes=4, tokens=2, rows=4, vector_lanes=4, depth=64, banks=1, bank_words=8)


class ScratchpadBench(Component):
    """Raw ports, and behind them in priority a reader, of which the grants can be seen."""

    def __init__(self, spec: MachineSpec) -> None:
        self.spec = spec
        self.reader = ScratchpadReader(spec, META)
        super().__init__(
            {
                **{f"read{i}": In(ReadPort(spec)) for i in range(READERS)},
                **{f"write{i}": In(WritePort(spec)) for i in range(WRITERS)},
                "i": In(stream.Signature(self.reader.i.payload.shape())),
                "o": Out(stream.Signature(self.reader.o.payload.shape())),
                "grant": Out(1),
                "grant_address": Out(SUM_BITS),
                "out_of_bounds": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.pad = pad = Scratchpad(self.spec, readers=READERS + 1, writers=WRITERS)
        m.submodules.reader = reader = self.reader
        for i in range(READERS):
            connect(m, flipped(getattr(self, f"read{i}")), pad.read[i])
        for i in range(WRITERS):
            connect(m, flipped(getattr(self, f"write{i}")), pad.write[i])
        connect(m, reader.port, pad.read[READERS])
        connect(m, flipped(self.i), reader.i)
        connect(m, reader.o, flipped(self.o))
        m.d.comb += [
            self.grant.eq(reader.port.valid & reader.port.ready),
            self.grant_address.eq(reader.port.address),
            self.out_of_bounds.eq(pad.out_of_bounds),
        ]
        return m


@pytest.mark.parametrize("spec", [FOUR_BANKS, ONE_BANK], ids=["four banks", "one bank"])
def test_ports(spec: MachineSpec, simulators: Path, tmp_path: Path) -> None:
    """All scenarios of the bench: random ports, priorities, latency, throughput, bounds."""
    text = emit(ScratchpadBench(spec), "pad_bench")
    simulator = build(Design(top="pad_bench", generated={"pad_bench": text}), simulators)
    sizes = {"banks": spec.banks, "bank_words": spec.bank_words, "word_bytes": spec.word_bytes}
    (tmp_path / "sizes.json").write_text(json.dumps(sizes))
    outcomes = simulator.run(BENCH, tmp_path, seed=1, plusargs={"sizes": "sizes.json"})
    assert len(outcomes) == 4
