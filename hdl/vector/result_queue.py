"""Results of the vector unit on their way to the scratchpad."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import data
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import Component, In, Out

from hdl.memory.scratchpad import WritePort, beyond
from models.cost.pipelines import ISSUE_LATENCY, RESULT_PLACES
from models.machine.spec import MachineSpec
from models.program.layout import SUM_BITS


def result_layout(spec: MachineSpec) -> data.StructLayout:
    """Bytes of a word to write.

    ``write``: there is something to write; ``end``: it is the descriptor's last result.
    """
    return data.StructLayout(
        {
            "address": SUM_BITS,
            "data": 8 * spec.word_bytes,
            "enable": spec.word_bytes,
            "write": 1,
            "end": 1,
        }
    )


class ResultQueue(Component):
    """Holds what a pipeline that cannot stop brings while the write port must wait.

    A beat that will bring a result takes a place when it enters the lanes, so that the queue never
    overflows. Latency from ``i`` to the write port two cycles, throughput one result per
    cycle.

    Attributes
    ----------
    takes : in
        A beat that will bring a result was issued ``ISSUE_LATENCY`` cycles before.
    room : out
        More beats may be issued; a register.
    i, i_valid : in
        A result.
    done : out
        The last result of a descriptor has been written; one cycle after its write.
    """

    UNSEEN = ISSUE_LATENCY + 2
    """Beats issued whose places ``room`` does not know of: it and their count are registers."""

    def __init__(self, spec: MachineSpec) -> None:
        self.spec = spec
        super().__init__(
            {
                "takes": In(1),
                "room": Out(1),
                "i": In(result_layout(spec)),
                "i_valid": In(1),
                "write": Out(WritePort(spec)),
                "done": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layout = result_layout(self.spec)
        m.submodules.fifo = fifo = SyncFIFO(width=layout.size, depth=RESULT_PLACES)
        head = data.View(layout, fifo.r_data)
        taken = Signal(range(RESULT_PLACES + 1))
        end = Signal()
        move = Signal()
        m.d.comb += [
            fifo.w_en.eq(self.i_valid),
            fifo.w_data.eq(self.i),
            move.eq(~self.write.valid | self.write.ready),
            fifo.r_en.eq(move),
        ]
        m.d.sync += [
            taken.eq(taken + self.takes - (fifo.r_rdy & move)),
            self.room.eq(taken <= RESULT_PLACES - self.UNSEEN),
            self.done.eq(move & end),
        ]
        with m.If(move):
            m.d.sync += [
                self.write.valid.eq(fifo.r_rdy & head.write),
                self.write.address.eq(head.address),
                self.write.data.eq(head.data),
                self.write.enable.eq(head.enable),
                self.write.over.eq(beyond(self.spec, head.address)),
                end.eq(fifo.r_rdy & head.end),
            ]
        return m
