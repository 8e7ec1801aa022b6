"""Amaranth platforms of the boards: their pins, and who writes constraints and scripts."""

from typing import Any

from amaranth.build import Attrs
from amaranth.vendor import XilinxPlatform
from amaranth_boards.arty_z7 import ArtyZ720Platform
from amaranth_boards.resources import LEDResources

__all__ = ["Zcu102Platform", "platform_of"]


class Zcu102Platform(XilinxPlatform):
    """The pins of a ZCU102 that the machine uses: its LEDs. Source: UG1182, table 3-28."""

    device = "xczu9eg"
    package = "ffvb1156"
    speed = "2-e"
    default_clk = None
    resources = [
        *LEDResources(
            pins="AG14 AF13 AE13 AJ14 AJ15 AH13 AH14 AL12", attrs=Attrs(IOSTANDARD="LVCMOS33")
        )
    ]
    connectors: list[Any] = []


def platform_of(name: str) -> Any:
    """A fresh platform of the board of that name (a platform writes one design only)."""
    return {"arty-z7-20": ArtyZ720Platform, "zcu102": Zcu102Platform}[name]()
