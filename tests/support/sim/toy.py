"""A stand-in for the machine with all of its ports, in hand-written Verilog."""

from __future__ import annotations

from pathlib import Path

from models.machine.units import UNITS

__all__ = ["toy_rowmac"]

_SOURCE = Path(__file__).with_name("toy_rowmac.v")


def toy_rowmac(*, fault: int = 0, width: int = 64) -> str:
    """Verilog of the module ``rowmac``; the source says what each ``fault`` does wrong.

    Parameters
    ----------
    width
        of the memory bus, in bits.
    """
    text = _SOURCE.read_text().replace("WIDTH = 64", f"WIDTH = {width}")
    text = text.replace("`TOY_FAULT", str(fault)).replace("`TOY_UNITS", str(UNITS))
    return f"/* verilator lint_off BLKSEQ */\n{text}"
