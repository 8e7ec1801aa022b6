"""Hardware views of descriptors: the structures of :mod:`models.program.layout` as signals."""

from __future__ import annotations

from collections.abc import Mapping

from amaranth.hdl import signed, unsigned
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out, Signature

from models.machine.units import Unit
from models.program.layout import FIELDS, Field


def struct(fields: Mapping[str, Field]) -> data.StructLayout:
    """Lay out the fields in order, the first one in the lowest bits."""
    return data.StructLayout(
        {n: signed(f.bits) if f.signed else unsigned(f.bits) for n, f in fields.items()}
    )


class UnitSignature(Signature):
    """Handshake between the sequencer and a unit.

    Members
    -------
    descriptor : stream
        Accepted when the unit begins the descriptor; the unit is busy until ``done``.
    done : out
        High for one cycle when every effect of the descriptor is visible.
    stall : out
        High while the unit is busy and waits for another part.
    error : out
        An :class:`~models.program.registers.ErrorCode`, held until reset; 0 without an error.
    """

    def __init__(self, unit: Unit) -> None:
        super().__init__(
            {
                "descriptor": In(stream.Signature(struct(FIELDS[unit]))),
                "done": Out(1),
                "stall": Out(1),
                "error": Out(4),
            }
        )
