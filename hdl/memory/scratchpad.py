"""Scratchpad: banked activation memory with several latency-insensitive ports."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out, Signature, connect, flipped

from hdl.memory.credit_queue import CreditQueue
from hdl.memory.register_slice import RegisterSlice
from models.machine.spec import MachineSpec
from models.program.layout import SUM_BITS


class ReadPort(Signature):
    """Read port: data follow a granted request (``valid & ready``) by exactly two cycles.

    Data have no back-pressure: request only what can be buffered.
    """

    def __init__(self, spec: MachineSpec) -> None:
        super().__init__(
            {
                "valid": Out(1),
                "address": Out(SUM_BITS),
                "ready": In(1),
                "data": In(8 * spec.word_bytes),
                "data_valid": In(1),
            }
        )


class WritePort(Signature):
    """Write port: the word is in the memory in the cycle after ``valid & ready``.

    ``over`` says whether the address is beyond the scratchpad's end (:func:`beyond`). The writer
    tells it, as one that registers its address knows it a cycle ahead.
    """

    def __init__(self, spec: MachineSpec) -> None:
        super().__init__(
            {
                "valid": Out(1),
                "address": Out(SUM_BITS),
                "data": Out(8 * spec.word_bytes),
                "enable": Out(spec.word_bytes),
                "over": Out(1),
                "ready": In(1),
            }
        )


def beyond(spec: MachineSpec, address: Value) -> Value:
    """Flag: an address is beyond the scratchpad's end."""
    return (address >> (spec.bank_words - 1).bit_length() + (spec.banks - 1).bit_length()).any()


class Scratchpad(Component):
    """``banks`` memories, each with one read and one write per cycle.

    The upper address bits select the bank, so accesses to tensors in different banks never
    conflict. If two ports request the same bank, the first port in the list wins and the other one
    waits.

    Latency of a granted read is two cycles, throughput one word per cycle and port.

    Parameters
    ----------
    spec : MachineSpec
    readers, writers : int
        Ports, in order of priority.

    Attributes
    ----------
    out_of_bounds : out
        A port requested an address beyond the scratchpad's end. Such a read returns an undefined
        word, such a write changes nothing.
    """

    def __init__(self, spec: MachineSpec, *, readers: int, writers: int) -> None:
        self.spec = spec
        self.readers = readers
        self.writers = writers
        super().__init__(
            {
                "read": In(ReadPort(spec)).array(readers),
                "write": In(WritePort(spec)).array(writers),
                "out_of_bounds": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        inner = (spec.bank_words - 1).bit_length()
        outer = (spec.banks - 1).bit_length()
        granted_read = [Signal(spec.banks, name=f"granted_read{i}") for i in range(self.readers)]
        bank_data = [Signal(8 * spec.word_bytes, name=f"bank{b}_data") for b in range(spec.banks)]
        bad = []
        for port in self.read:
            over = Signal(name="over")
            m.d.comb += over.eq(port.valid & beyond(spec, port.address))
            bad.append(over)
        bad += [port.valid & port.over for port in self.write]
        m.d.sync += self.out_of_bounds.eq(Cat(bad).any())

        for b in range(spec.banks):
            memory = Memory(shape=8 * spec.word_bytes, depth=spec.bank_words, init=[])
            m.submodules[f"bank{b}"] = memory
            reader = memory.read_port()
            writer = memory.write_port(granularity=8)
            m.d.comb += bank_data[b].eq(reader.data)
            taken: list[Signal] = []
            for index, port in enumerate(self.read):
                wants = Signal(name=f"bank{b}_read{index}")
                m.d.comb += wants.eq(port.valid & (port.address[inner : inner + outer] == b))
                won = wants & ~Cat(taken).any() if taken else wants
                m.d.comb += granted_read[index][b].eq(won)
                taken.append(wants)
            # A number of the port first, so that an address bit is one choice of four.
            chosen = Signal(range(max(2, self.readers)), name=f"bank{b}_chosen")
            m.d.comb += [reader.en.eq(Cat(taken).any()), chosen.eq(self.readers - 1)]
            for index in reversed(range(self.readers - 1)):
                with m.If(taken[index]):
                    m.d.comb += chosen.eq(index)
            with m.Switch(chosen):
                for index, port in enumerate(self.read):
                    with m.Case(index):
                        m.d.comb += reader.addr.eq(port.address[:inner])
            taken = []
            for index, port in enumerate(self.write):
                wants = Signal(name=f"bank{b}_write{index}")
                m.d.comb += wants.eq(port.valid & (port.address[inner : inner + outer] == b))
                taken.append(wants)
            for index in reversed(range(self.writers)):
                with m.If(taken[index]):
                    port = self.write[index]
                    m.d.comb += [
                        writer.addr.eq(port.address[:inner]),
                        writer.data.eq(port.data),
                        writer.en.eq(Mux(port.over, 0, port.enable)),
                    ]

        for index, port in enumerate(self.read):
            select = Signal(spec.banks, name=f"select{index}")
            first = Signal(name=f"first{index}")
            second = Signal(name=f"second{index}")
            held = Signal(8 * spec.word_bytes, name=f"held{index}")
            m.d.sync += [
                select.eq(granted_read[index]),
                first.eq(port.valid & port.ready),
                second.eq(first),
            ]
            chosen = Const(0, 8 * spec.word_bytes)
            for b in range(spec.banks):
                chosen = chosen | Mux(select[b], bank_data[b], 0)
            m.d.sync += held.eq(chosen)
            m.d.comb += [port.data.eq(held), port.data_valid.eq(second)]
        for ports in (self.read, self.write):
            for index, port in enumerate(ports):
                # As the grants say, but without the way through all banks.
                bank = port.address[inner : inner + outer]
                before = (p.valid & (p.address[inner : inner + outer] == bank)
                          for p in ports[:index])  # fmt: skip
                m.d.comb += port.ready.eq(~Cat(before).any())
        return m


class ScratchpadReader(Component):
    """Turns a read port into a pair of streams: addresses in, words out, in order.

    ``meta`` is a sideband that accompanies each address and returns with its word. Latency from an
    accepted address to its word is :data:`models.cost.pipelines.READ_LATENCY` cycles without
    contention, throughput one word per cycle. Registered are ``i.ready``, the port's request, and
    all of ``o``.

    Parameters
    ----------
    meta : shape
        Layout of the sideband.
    """

    DEPTH = 8

    def __init__(self, spec: MachineSpec, meta: data.Layout) -> None:
        self.spec = spec
        self.meta = meta
        super().__init__(
            {
                "i": In(stream.Signature(data.StructLayout({"address": SUM_BITS, "meta": meta}))),
                "o": Out(
                    stream.Signature(data.StructLayout({"word": 8 * spec.word_bytes, "meta": meta}))
                ),
                "port": Out(ReadPort(spec)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.words = words = CreditQueue(self.o.payload.shape(), self.DEPTH)
        connect(m, words.o, flipped(self.o))
        m.submodules.asked = asked = RegisterSlice(self.i.payload.shape())
        connect(m, flipped(self.i), asked.i)
        # A credit is a free place in `words`, taken when the address is granted: the port's data
        # have no back-pressure. It comes back a cycle late, as `o.ready` may come from afar.
        credits = Signal(range(self.DEPTH + 1), init=self.DEPTH)
        some, some_next, asked_next = Signal(init=1), Signal(), Signal()
        take, give, given = Signal(), Signal(), Signal()
        # As late as the port's data, so that one queue holds both.
        meta, meta_later = Signal(self.meta, reset_less=True), Signal(self.meta, reset_less=True)
        m.d.sync += [
            meta.eq(asked.o.payload.meta),
            meta_later.eq(meta),
            given.eq(give),
            credits.eq(credits - take + given),
            some.eq(some_next),
            # The slice holds an address and a credit is left: registered, for it begins the path
            # through the priorities of all ports.
            self.port.valid.eq(asked_next & some_next),
        ]
        m.d.comb += [
            some_next.eq(given | (credits > 1) | ((credits != 0) & ~take)),
            asked_next.eq(
                asked.i.valid | ~asked.i.ready | (asked.o.valid & ~(some & self.port.ready))
            ),
            take.eq(self.port.valid & self.port.ready),
            give.eq(self.o.valid & self.o.ready),
            self.port.address.eq(asked.o.payload.address),
            asked.o.ready.eq(some & self.port.ready),
            words.i.valid.eq(self.port.data_valid),
            words.i.payload.word.eq(self.port.data),
            words.i.payload.meta.eq(meta_later),
        ]
        return m
