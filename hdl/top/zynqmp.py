"""The machine on a Zynq UltraScale+, with the processor system as its host."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import ClockDomain, ClockSignal, Elaboratable, Instance, Module, Signal
from amaranth.lib.cdc import ResetSynchronizer
from amaranth.lib.wiring import Signature, connect

from hdl.top.bridge import AxiToLite
from hdl.top.leds import add_leds
from hdl.top.wrapper import Machine, pins

__all__ = ["ZynqMp"]

ID_WIDTH = 16
RESET_GPIO = 95


class ZynqMp(Elaboratable):
    """Top module: ``rowmac`` between M_AXI_HPM0_FPD (registers) and S_AXI_HP0_FPD (memory).

    These are the ports MAXIGP0 and SAXIGP2 of the PS8, both of 128 bits as after power-on. The
    clock is PL_CLK0, the reset PL_RESETN0 (which is EMIO GPIO 95), the interrupt goes to
    PL_PS_IRQ0[0]. The processor system itself is set up by the software that boots it.

    Parameters
    ----------
    clock_hz : float
        Frequency of PL_CLK0, which software sets.

    Source: Zynq UltraScale+ Device Technical Reference Manual (UG1085), chapters 13, 27 and 35.
    """

    DATA_WIDTH = 128

    def __init__(self, clock_hz: float) -> None:
        self.clock_hz = clock_hz

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        machine = Machine(self.DATA_WIDTH)
        m.submodules.bridge = bridge = AxiToLite(data_width=128, id_width=ID_WIDTH)
        connect(m, bridge.lite, machine.control)
        m.submodules.rowmac = machine.instance()

        clocks = Signal(4)
        gpio = Signal(96)
        clock = Signal()
        m.domains.sync = ClockDomain()
        m.d.comb += clock.eq(clocks[0])
        platform.add_clock_constraint(clock, self.clock_hz)
        m.submodules.clock = Instance("BUFG_PS", i_I=clock, o_O=ClockSignal())
        m.submodules.reset = ResetSynchronizer(~gpio[RESET_GPIO], domain="sync")
        add_leds(m, platform, machine.interrupt)

        wide = {"awaddr": Signal(40), "araddr": Signal(40)}
        interrupts = Signal(8)
        m.d.comb += [getattr(bridge, name).eq(wire) for name, wire in wide.items()]
        m.d.comb += interrupts.eq(machine.interrupt)
        m.submodules.ps8 = Instance(
            "PS8",
            o_PLCLK=clocks,
            o_EMIOGPIOO=gpio,
            i_PLPSIRQ0=interrupts,
            i_MAXIGP0ACLK=ClockSignal(),
            **pins("MAXIGP0", bridge.signature, bridge, **wide),
            i_SAXIGP2WCLK=ClockSignal(),
            i_SAXIGP2RCLK=ClockSignal(),
            **_memory_pins(m, machine.read_signature, machine.read, "ar"),
            **_memory_pins(m, machine.write_signature, machine.write, "aw"),
        )
        return m


def _memory_pins(m: Module, signature: Signature, wires: Any, address: str) -> dict[str, Any]:
    wide = Signal(49, name=f"memory_{address}addr")
    m.d.comb += wide.eq(getattr(wires, f"{address}addr"))
    unused = {"ID": Signal(6), "LOCK": Signal(), "QOS": Signal(4), "USER": Signal()}
    return pins("SAXIGP2", signature, wires, **{f"{address}addr": wide}) | {
        f"i_SAXIGP2{address.upper()}{name}": wire for name, wire in unused.items()
    }
