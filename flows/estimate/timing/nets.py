"""Delays of nets: none where the part has a wire for it, else by the number of pins."""

from __future__ import annotations

from collections.abc import Callable
from math import log2, sqrt

from flows.estimate.timing.netlist import Design, Pin

__all__ = ["MODELS", "NetModel", "plain_net", "spread_net", "wire_delay"]

NetModel = Callable[[int], int]
"""Picoseconds of a net by its fan-out."""

NEAR, DOUBLING = 550, 60
LOCAL, REACH = 64, 38

LUTS = frozenset(f"LUT{n}" for n in range(1, 7))
MUXES = frozenset({"MUXF7", "MUXF8"})
_BEFORE_FLIP_FLOP = LUTS | MUXES | {"CARRY4"}


def plain_net(fanout: int) -> int:
    """550 ps, and 60 more for each doubling of the fan-out: a net that is placed well.

    It flatters nets of thousands of pins, which cannot all be near to their source.
    """
    return round(NEAR + DOUBLING * log2(max(fanout, 1)))


def spread_net(fanout: int) -> int:
    """As :func:`plain_net`, and above 64 pins 38 ps for each pin along the side of their area.

    Pins fill an area, so that the farthest is about as far as its side is long: the square root of
    their number. Up to 64 pins (four slices square) the plain figure holds that already. The
    coefficient is that of one net, the reset of a whole machine: its 15,691 pins cost 3 to 6 ns
    more than the plain figure on a routed part of that size, here 4.5 ns. A global clock buffer,
    the other way to reach them, costs about as much.
    """
    return plain_net(fanout) + (
        round(REACH * (sqrt(fanout) - sqrt(LOCAL))) if fanout > LOCAL else 0
    )


MODELS: dict[str, NetModel] = {"spread": spread_net, "plain": plain_net}


def wire_delay(design: Design, bit: int, sink: int, port: str, model: NetModel) -> int:
    """Picoseconds from the driver of a bit to an input port of the cell ``sink``.

    Nothing within a slice (a LUT with its carry cell, multiplexer or flip-flop), in a carry chain,
    or in a cascade of DSP slices.
    """
    source = design.driver[bit]
    fanout = design.fanout[bit]
    if _same_slice(design, source, design.cells[sink].kind, port, fanout):
        return 0
    return model(fanout)


def _same_slice(design: Design, source: Pin, kind: str, port: str, fanout: int) -> bool:
    driver = design.cells[source.cell].kind
    if kind == "CARRY4":
        if driver == "CARRY4":
            return port == "CI"
        # The LUT's second output, or the bypass: another LUT has to be left for other pins.
        return driver in LUTS and (port == "S" or (port == "DI" and fanout == 1))
    if kind == "DSP48E1":
        return port in ("PCIN", "ACIN", "BCIN")
    if fanout != 1:
        return False
    if kind == "MUXF7":
        return port != "S" and driver in LUTS
    if kind == "MUXF8":
        return port != "S" and driver == "MUXF7"
    return kind.startswith("FD") and port == "D" and driver in _BEFORE_FLIP_FLOP
