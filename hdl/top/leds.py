"""Status LEDs of a board."""

from __future__ import annotations

from typing import Any

from amaranth.build import ResourceError
from amaranth.hdl import Module, Signal
from amaranth.lib import io

__all__ = ["add_leds"]


def add_leds(m: Module, platform: Any, interrupt: Signal) -> None:
    """Drive a board's LEDs, if it has them: 0 blinks about once a second, 1 is the interrupt."""
    counter = Signal(27)
    m.d.sync += counter.eq(counter + 1)
    for number, light in enumerate((counter[-1], interrupt)):
        try:
            port = platform.request("led", number, dir="-")
        except ResourceError:
            return
        m.submodules[f"led_{number}"] = buffer = io.Buffer("o", port)
        m.d.comb += buffer.o.eq(light)
