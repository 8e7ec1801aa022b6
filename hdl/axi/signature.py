"""Signal groups of AXI4 (without IDs) and AXI4-Lite: flat members with their AMBA names."""

from __future__ import annotations

from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out, Signature

BURST_BEATS = 16
"""Beats of the longest burst: the limit of the Zynq-7000's AXI3 ports."""

ADDRESS_WIDTH = 32
LITE_ADDRESS_WIDTH = 12


class AxiReadSignature(Signature):
    """Master side of the AR and R channels, INCR bursts of full beats."""

    def __init__(self, width: int) -> None:
        super().__init__(
            {
                "araddr": Out(ADDRESS_WIDTH),
                "arlen": Out(8),
                "arsize": Out(3),
                "arburst": Out(2),
                "arcache": Out(4),
                "arprot": Out(3),
                "arvalid": Out(1),
                "arready": In(1),
                "rdata": In(width),
                "rresp": In(2),
                "rlast": In(1),
                "rvalid": In(1),
                "rready": Out(1),
            }
        )


class AxiWriteSignature(Signature):
    """Master side of the AW, W and B channels, INCR bursts of full beats."""

    def __init__(self, width: int) -> None:
        super().__init__(
            {
                "awaddr": Out(ADDRESS_WIDTH),
                "awlen": Out(8),
                "awsize": Out(3),
                "awburst": Out(2),
                "awcache": Out(4),
                "awprot": Out(3),
                "awvalid": Out(1),
                "awready": In(1),
                "wdata": Out(width),
                "wstrb": Out(width // 8),
                "wlast": Out(1),
                "wvalid": Out(1),
                "wready": In(1),
                "bresp": In(2),
                "bvalid": In(1),
                "bready": Out(1),
            }
        )


class AxiLiteSignature(Signature):
    """Slave side of AXI4-Lite, 32-bit data."""

    def __init__(self) -> None:
        super().__init__(
            {
                "awaddr": In(LITE_ADDRESS_WIDTH),
                "awprot": In(3),
                "awvalid": In(1),
                "awready": Out(1),
                "wdata": In(32),
                "wstrb": In(4),
                "wvalid": In(1),
                "wready": Out(1),
                "bresp": Out(2),
                "bvalid": Out(1),
                "bready": In(1),
                "araddr": In(LITE_ADDRESS_WIDTH),
                "arprot": In(3),
                "arvalid": In(1),
                "arready": Out(1),
                "rdata": Out(32),
                "rresp": Out(2),
                "rvalid": Out(1),
                "rready": In(1),
            }
        )


BURST = data.StructLayout({"address": ADDRESS_WIDTH, "length": 5})
"""A burst: byte address and number of beats (1 to 16)."""


class BurstReadSignature(Signature):
    """Client side of the read channel: burst requests out, read beats in, in order.

    Beats have no back-pressure: request only what can be buffered.
    """

    def __init__(self, width: int) -> None:
        super().__init__(
            {
                "burst": Out(stream.Signature(BURST)),
                "valid": In(1),
                "data": In(width),
                "error": In(1),
            }
        )
