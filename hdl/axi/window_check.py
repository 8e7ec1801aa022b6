"""Checks that a transfer lies in its memory window, in registered steps."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from models.cost.pipelines import CHECK_LATENCY

WINDOWS = 4

OFFSET_WIDTH = 32
END_WIDTH = 35


def window_layout() -> data.ArrayLayout:
    """Memory windows from the control registers: byte address and size of each."""
    return data.ArrayLayout(data.StructLayout({"base": 32, "size": 32}), WINDOWS)


class WindowCheck(Component):
    """Place of a transfer in memory, and whether the window holds it.

    Latency two cycles from all inputs to ``fits`` and ``address``, throughput one per cycle.

    Parameters
    ----------
    axi_bytes : int
        Bytes of a bus beat; the window's base and ``offset`` must be aligned to it.

    Attributes
    ----------
    windows, window, offset, length : in
        The windows, and the transfer: number of its window, first byte in it, bytes.
    fits : out
        All of the transfer lies in its window and in 32-bit memory, aligned.
    address : out
        First byte in memory.
    """

    LATENCY = CHECK_LATENCY

    def __init__(self, axi_bytes: int) -> None:
        self.axi_bytes = axi_bytes
        super().__init__(
            {
                "windows": In(window_layout()),
                "window": In(range(WINDOWS)),
                "offset": In(OFFSET_WIDTH),
                "length": In(END_WIDTH - 1),
                "fits": Out(1),
                "address": Out(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lane = self.axi_bytes.bit_length() - 1
        base, size = Signal(32, reset_less=True), Signal(32, reset_less=True)
        offset = Signal(OFFSET_WIDTH, reset_less=True)
        end = Signal(END_WIDTH, reset_less=True)
        address = Signal(32, reset_less=True)
        within, top = Signal(reset_less=True), Signal(33, reset_less=True)
        aligned = Signal(reset_less=True)
        m.d.sync += [
            base.eq(self.windows[self.window].base),
            size.eq(self.windows[self.window].size),
            offset.eq(self.offset),
            end.eq(self.offset + self.length),
            within.eq(end <= size),
            top.eq(base + end),
            aligned.eq((base[:lane] == 0) & (offset[:lane] == 0)),
            address.eq(base + offset),
        ]
        m.d.comb += [
            self.address.eq(address),
            # With an end of at most 2**32 the sum is at most 2**33.
            self.fits.eq(within & aligned & (~top[32] | (top[:32] == 0))),
        ]
        return m
