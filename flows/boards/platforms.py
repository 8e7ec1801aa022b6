"""Amaranth platforms of boards that amaranth-boards has none for."""

from typing import Any

__all__ = ["xilinx_platform"]


def xilinx_platform(
    *,
    device: str,
    package: str,
    speed: str,
    leds: str,
    standard: str = "LVCMOS33",
    clock: tuple[str, float] | None = None,
) -> Any:
    """A fresh platform with the pins that the machine uses.

    Parameters
    ----------
    leds
        pins of the LEDs, with a space between two; the first two show the clock and the interrupt.
    standard
        voltage standard of all pins.
    clock : tuple of str and float, optional
        Pin and frequency in Hz of a clock of the board; the machine takes the processor system's.
    """
    from amaranth.build import Attrs, Clock, Pins, Resource
    from amaranth.vendor import XilinxPlatform
    from amaranth_boards.resources import LEDResources

    attributes = Attrs(IOSTANDARD=standard)
    resources = [*LEDResources(pins=leds, attrs=attributes)]
    if clock:
        pin, frequency = clock
        resources.append(Resource("clk", 0, Pins(pin, dir="i"), Clock(frequency), attributes))
    facts = {
        "device": device,
        "package": package,
        "speed": speed,
        "default_clk": None,
        "resources": resources,
        "connectors": [],
    }
    return type("Platform", (XilinxPlatform,), facts)()
