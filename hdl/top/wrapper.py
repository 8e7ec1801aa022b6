"""The machine as a black box: an instance of module ``rowmac`` from its own Verilog file."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import ClockSignal, Instance, ResetSignal, Signal
from amaranth.lib.wiring import Flow, Signature

from hdl.axi.signature import AxiLiteSignature, AxiReadSignature, AxiWriteSignature

__all__ = ["Machine", "pins"]


class Machine:
    """Signals of the machine's ports, and the instance connected to them.

    As an instance, simulation and synthesis use the same Verilog file, byte for byte.

    Attributes
    ----------
    read, write
        AXI4 master to memory, ``data_width`` bits wide.
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
        """Build the instance, in the clock domain ``sync``."""
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
    """Connect a processor port, with pins named ``<prefix><MEMBER>``, to the fabric's ``wires``.

    A member that the fabric drives (``Out`` in ``signature``) is an input of the processor.
    ``replaced`` substitutes the wire of a member whose width differs.
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
