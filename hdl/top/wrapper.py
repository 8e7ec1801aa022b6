"""The machine as a black box: the module ``rowmac`` as it stands in a Verilog file of its own."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import ClockSignal, Instance, ResetSignal, Signal
from amaranth.lib.wiring import Flow, Signature

from hdl.axi.signature import AxiLiteSignature, AxiReadSignature, AxiWriteSignature

__all__ = ["Machine", "pins"]


class Machine:
    """Wires of the machine's ports, and the instance that is connected to them.

    What is simulated and what is synthesised is the same file this way, byte by byte.

    Attributes
    ----------
    read, write
        AXI4 master on memory, of ``data_width`` bits.
    control
        AXI4-Lite slave.
    interrupt
        Level, high until the host clears it.
    """

    def __init__(self, data_width: int) -> None:
        self.read_signature = AxiReadSignature(data_width)
        self.write_signature = AxiWriteSignature(data_width)
        self.read: Any = self.read_signature.create()
        self.write: Any = self.write_signature.create()
        self.control: Any = AxiLiteSignature().create()
        self.interrupt = Signal()

    def instance(self) -> Instance:
        """The instance, in the clock domain ``sync``."""
        return Instance(
            "rowmac",
            i_clk=ClockSignal(),
            i_rst=ResetSignal(),
            o_interrupt=self.interrupt,
            **_ports("m_axi", self.read_signature, self.read),
            **_ports("m_axi", self.write_signature, self.write),
            **_ports("s_axil", AxiLiteSignature(), self.control),
        )


def pins(prefix: str, signature: Signature, wires: Any, **replaced: Any) -> dict[str, Any]:
    """Connections of a processor's port, named ``<prefix><MEMBER>``, with wires of our side.

    What our side drives (``Out`` in ``signature``) is an input of the processor. ``replaced``
    gives other wires by member, where widths differ.
    """
    return {
        f"{'i' if member.flow is Flow.Out else 'o'}_{prefix}{name.upper()}": replaced.get(
            name, getattr(wires, name)
        )
        for name, member in signature.members.items()
        if member.is_port
    }


def _ports(prefix: str, signature: Signature, wires: Any) -> dict[str, Any]:
    return {
        f"{'o' if member.flow is Flow.Out else 'i'}_{prefix}_{name}": getattr(wires, name)
        for name, member in signature.members.items()
    }
