"""Shares one AXI read channel between clients; read data return in the order of the bursts."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import Component, In, Out

from hdl.axi.signature import AxiReadSignature, BurstReadSignature


class ReadArbiter(Component):
    """Fixed-priority arbiter: the first client that requests a burst wins.

    The request is registered (one cycle), read data pass through in the same cycle; throughput
    one beat per cycle.

    Parameters
    ----------
    width : int
        Data bits.
    clients : int

    Attributes
    ----------
    idle : out
        No burst is outstanding.
    halt : in
        Issue no further burst; the data of outstanding bursts are still accepted.
    """

    OUTSTANDING = 8

    def __init__(self, width: int, *, clients: int) -> None:
        self.width = width
        self.clients = clients
        super().__init__(
            {
                "client": In(BurstReadSignature(width)).array(clients),
                "axi": Out(AxiReadSignature(width)),
                "idle": Out(1),
                "halt": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        axi = self.axi
        bits = max(1, (self.clients - 1).bit_length())
        m.submodules.owners = owners = SyncFIFO(width=bits, depth=self.OUTSTANDING)
        free = Signal()
        m.d.comb += [
            axi.arsize.eq((self.width // 8).bit_length() - 1),
            axi.arburst.eq(1),
            axi.arcache.eq(0b0011),
            axi.rready.eq(1),
            free.eq((~axi.arvalid | axi.arready) & owners.w_rdy & ~self.halt),
            self.idle.eq(~axi.arvalid & ~owners.r_rdy),
            owners.r_en.eq(axi.rvalid & axi.rlast),
        ]
        with m.If(axi.arready):
            m.d.sync += axi.arvalid.eq(0)
        for index in reversed(range(self.clients)):
            burst = self.client[index].burst
            earlier = Cat(c.burst.valid for c in self.client[:index]).any() if index else 0
            m.d.comb += burst.ready.eq(free & ~earlier if index else free)
            with m.If(burst.valid & burst.ready):
                m.d.sync += [
                    axi.arvalid.eq(1),
                    axi.araddr.eq(burst.payload.address),
                    axi.arlen.eq(burst.payload.length - 1),
                ]
                m.d.comb += [owners.w_en.eq(1), owners.w_data.eq(index)]
            m.d.comb += [
                self.client[index].valid.eq(axi.rvalid & (owners.r_data == index)),
                self.client[index].data.eq(axi.rdata),
                self.client[index].error.eq(Mux(axi.rvalid, axi.rresp[1], 0)),
            ]
        return m
