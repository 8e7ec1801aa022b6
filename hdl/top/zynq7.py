"""The machine on a Zynq-7000, with the processor system as its host."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Elaboratable, Instance, Module, Signal
from amaranth.lib.cdc import ResetSynchronizer
from amaranth.lib.wiring import Signature, connect

from hdl.top.bridge import AxiToLite
from hdl.top.leds import add_leds
from hdl.top.wrapper import Machine, pins

__all__ = ["Zynq7"]

ID_WIDTH = 12


class Zynq7(Elaboratable):
    """Top module: ``rowmac`` between M_AXI_GP0 (registers) and S_AXI_HP0 (memory) of the PS7.

    Clock and reset come from FCLK_CLK0 and FCLK_RESET0_N, the interrupt goes to IRQ_F2P[0]. The
    processor system itself (clocks, memory, voltage of the port to the fabric) is set up by the
    software that boots it.

    Parameters
    ----------
    clock_hz : float
        Frequency of FCLK_CLK0, which software sets.

    Source: Zynq-7000 Technical Reference Manual (UG585), chapters 2 and 5.
    """

    DATA_WIDTH = 64

    def __init__(self, clock_hz: float) -> None:
        self.clock_hz = clock_hz

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        machine = Machine(self.DATA_WIDTH)
        m.submodules.bridge = bridge = AxiToLite(data_width=32, id_width=ID_WIDTH)
        connect(m, bridge.lite, machine.control)
        m.submodules.rowmac = machine.instance()

        clocks = Signal(4)
        resets_n = Signal(4)
        clock = Signal()
        m.domains.sync = ClockDomain()
        m.d.comb += clock.eq(clocks[0])
        platform.add_clock_constraint(clock, self.clock_hz)
        m.submodules.clock = Instance("BUFG", i_I=clock, o_O=ClockSignal())
        m.submodules.reset = ResetSynchronizer(~resets_n[0], domain="sync")
        add_leds(m, platform, machine.interrupt)

        # Both ports are AXI3, with bursts of up to 16 beats: 32 data bits for registers, 64 for
        # memory.
        narrow = {
            "awaddr": Signal(32),
            "araddr": Signal(32),
            "awlen": Signal(4),
            "arlen": Signal(4),
            "awsize": Signal(2),
            "arsize": Signal(2),
        }
        m.d.comb += [getattr(bridge, name).eq(wire) for name, wire in narrow.items()]
        read, write = machine.read, machine.write
        m.submodules.ps7 = Instance(
            "PS7",
            o_FCLKCLK=clocks,
            o_FCLKRESETN=resets_n,
            i_IRQF2P=Cat(machine.interrupt, Signal(19)),
            i_MAXIGP0ACLK=ClockSignal(),
            **pins("MAXIGP0", bridge.signature, bridge, **narrow),
            i_SAXIHP0ACLK=ClockSignal(),
            i_SAXIHP0RDISSUECAP1EN=0,
            i_SAXIHP0WRISSUECAP1EN=0,
            i_SAXIHP0WID=Signal(6),
            **_memory_pins(machine.read_signature, read, "ar"),
            **_memory_pins(machine.write_signature, write, "aw"),
        )
        return m


def _memory_pins(signature: Signature, wires: Any, address: str) -> dict[str, Any]:
    shortened = {
        f"{address}len": getattr(wires, f"{address}len")[:4],
        f"{address}size": getattr(wires, f"{address}size")[:2],
    }
    unused = {"ID": Signal(6), "LOCK": Signal(2), "QOS": Signal(4)}
    return pins("SAXIHP0", signature, wires, **shortened) | {
        f"i_SAXIHP0{address.upper()}{name}": wire for name, wire in unused.items()
    }
