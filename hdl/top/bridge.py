"""AXI4 (or AXI3) slave to AXI4-Lite master: connects a processor's bus to the registers."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib.wiring import Component, In, Out

from hdl.axi.signature import LITE_ADDRESS_WIDTH, AxiLiteSignature

__all__ = ["AxiToLite"]

WORD_BYTES = 4


class AxiToLite(Component):
    """Splits every burst and every beat into accesses of 32 bits, one after the other.

    At most one read and one write are outstanding. A beat of more than 32 bits becomes one access
    for each 32-bit lane it covers (for writes: for each lane with a byte enabled). Every burst is
    treated as INCR, which is what processors issue to device memory. The response is the OR of the
    accesses' responses. A single access takes at least four cycles.

    Parameters
    ----------
    data_width : int
        Data bits of the AXI side: 32, 64 or 128.
    id_width : int
        Bits of the AXI side's identifiers, which return with the responses.

    Members
    -------
    aw, w, b, ar, r : AXI slave, flat, with the AMBA names.
    lite : Out(AxiLiteSignature)
        Master side.

    Raises
    ------
    ValueError
        If ``data_width`` is not 32, 64 or 128.
    """

    def __init__(self, *, data_width: int, id_width: int) -> None:
        if data_width not in (32, 64, 128):
            raise ValueError(f"data_width must be 32, 64 or 128, not {data_width}")
        self.data_width = data_width
        self.id_width = id_width
        super().__init__(
            {
                "awid": In(id_width),
                "awaddr": In(LITE_ADDRESS_WIDTH),
                "awlen": In(8),
                "awsize": In(3),
                "awburst": In(2),
                "awvalid": In(1),
                "awready": Out(1),
                "wdata": In(data_width),
                "wstrb": In(data_width // 8),
                "wlast": In(1),
                "wvalid": In(1),
                "wready": Out(1),
                "bid": Out(id_width),
                "bresp": Out(2),
                "bvalid": Out(1),
                "bready": In(1),
                "arid": In(id_width),
                "araddr": In(LITE_ADDRESS_WIDTH),
                "arlen": In(8),
                "arsize": In(3),
                "arburst": In(2),
                "arvalid": In(1),
                "arready": Out(1),
                "rid": Out(id_width),
                "rdata": Out(data_width),
                "rresp": Out(2),
                "rlast": Out(1),
                "rvalid": Out(1),
                "rready": In(1),
                "lite": Out(AxiLiteSignature().flip()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._writes(m)
        self._reads(m)
        return m

    def _step(self, m: Module, address: Signal, size: Signal) -> tuple[Signal, Signal]:
        """Return this access's 32-bit lane, and a flag that it is the beat's last access."""
        lanes = self.data_width // 32
        lane = Signal(range(max(lanes, 2)))
        last = Signal()
        m.d.comb += last.eq(1)
        if lanes > 1:
            m.d.comb += lane.eq(address[2:])
            with m.Switch(size):
                for log in range(3, lanes.bit_length() + 2):
                    with m.Case(log):
                        m.d.comb += last.eq(address[2:log].all())
        return lane, last

    def _next(self, address: Signal, size: Signal) -> Signal:
        """Return the next access's address: narrow beats advance by their size, others by 4."""
        narrow = Array([address + 1, address + 2])[size[0]]
        return Mux(size < 2, narrow, Cat(Const(0, 2), (address[2:] + 1)[: LITE_ADDRESS_WIDTH - 2]))

    def _writes(self, m: Module) -> None:
        lite = self.lite
        address = Signal(LITE_ADDRESS_WIDTH)
        size = Signal(3)
        lane, last_lane = self._step(m, address, size)
        strobes = Signal(WORD_BYTES)
        m.d.comb += [
            lite.awaddr.eq(Cat(Const(0, 2), address[2:])),
            strobes.eq(self.wstrb.word_select(lane, WORD_BYTES)),
            lite.wdata.eq(self.wdata.word_select(lane, 32)),
            lite.wstrb.eq(strobes),
        ]
        address_sent, data_sent = Signal(), Signal()

        def advance() -> None:
            m.d.sync += address.eq(self._next(address, size))
            with m.If(last_lane):
                m.d.comb += self.wready.eq(1)
                with m.If(self.wlast):
                    m.next = "respond"

        with m.FSM(name="write"):
            with m.State("idle"):
                m.d.comb += self.awready.eq(1)
                with m.If(self.awvalid):
                    m.d.sync += [
                        address.eq(self.awaddr),
                        size.eq(self.awsize),
                        self.bid.eq(self.awid),
                        self.bresp.eq(0),
                    ]
                    m.next = "data"
            with m.State("data"), m.If(self.wvalid):
                with m.If(strobes.any()):
                    m.d.sync += [address_sent.eq(0), data_sent.eq(0)]
                    m.next = "access"
                with m.Else():
                    advance()
            with m.State("access"):
                m.d.comb += [
                    lite.awvalid.eq(~address_sent),
                    lite.wvalid.eq(~data_sent),
                    lite.bready.eq(1),
                ]
                with m.If(lite.awready):
                    m.d.sync += address_sent.eq(1)
                with m.If(lite.wready):
                    m.d.sync += data_sent.eq(1)
                with m.If(lite.bvalid):
                    m.d.sync += self.bresp.eq(self.bresp | lite.bresp)
                    m.next = "data"
                    advance()
            with m.State("respond"):
                m.d.comb += self.bvalid.eq(1)
                with m.If(self.bready):
                    m.next = "idle"

    def _reads(self, m: Module) -> None:
        lite = self.lite
        address = Signal(LITE_ADDRESS_WIDTH)
        size = Signal(3)
        left = Signal(8)
        lane, last_lane = self._step(m, address, size)
        m.d.comb += [lite.araddr.eq(Cat(Const(0, 2), address[2:])), self.rlast.eq(left == 0)]
        with m.FSM(name="read"):
            with m.State("idle"):
                m.d.comb += self.arready.eq(1)
                with m.If(self.arvalid):
                    m.d.sync += [
                        address.eq(self.araddr),
                        size.eq(self.arsize),
                        left.eq(self.arlen),
                        self.rid.eq(self.arid),
                        self.rresp.eq(0),
                    ]
                    m.next = "ask"
            with m.State("ask"):
                m.d.comb += lite.arvalid.eq(1)
                with m.If(lite.arready):
                    m.next = "take"
            with m.State("take"):
                m.d.comb += lite.rready.eq(1)
                with m.If(lite.rvalid):
                    m.d.sync += [
                        self.rdata.word_select(lane, 32).eq(lite.rdata),
                        self.rresp.eq(self.rresp | lite.rresp),
                        address.eq(self._next(address, size)),
                    ]
                    m.next = "ask"
                    with m.If(last_lane):
                        m.next = "respond"
            with m.State("respond"):
                m.d.comb += self.rvalid.eq(1)
                with m.If(self.rready):
                    m.d.sync += [left.eq(left - 1), self.rresp.eq(0)]
                    m.next = "ask"
                    with m.If(left == 0):
                        m.next = "idle"
