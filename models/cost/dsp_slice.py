"""A DSP slice of each family, as numbers: what :mod:`hdl.rows.dsp` instantiates."""

from __future__ import annotations

__all__ = ["FAMILIES", "LATENCY", "PORT_WIDTH", "RESULT_WIDTH"]

FAMILIES = ("generic", "xc7", "xcup")
"""``generic`` is plain Amaranth for simulation; the others are DSP48E1 and DSP48E2."""

PORT_WIDTH = {"generic": 27, "xc7": 25, "xcup": 27}
"""Bits of the wide multiplier port."""

RESULT_WIDTH = 48
"""Bits of the sum."""

LATENCY = 4
"""Cycles from the operands to the sum, all registers of the slice in use."""
