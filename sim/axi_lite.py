"""An AXI4-Lite master for cocotb: the host that writes and reads a machine's registers."""

from collections.abc import Iterator
from typing import Any

from cocotb.triggers import RisingEdge

from sim.stalls import NEVER, Stalls

__all__ = ["AxiLite", "BusError"]

RESPONSES = ("OKAY", "EXOKAY", "SLVERR", "DECERR")


class BusError(RuntimeError):
    """An access was answered by another response than OKAY, or not at all."""


class AxiLite:
    """Master on the ports ``<prefix>_awaddr`` and so on of a design.

    Parameters
    ----------
    clock
        the clock port.
    stalls
        cycles by which address, data and the readiness for the response come late, each on its
        own: so addresses come before data and the other way round.
    """

    def __init__(self, dut: Any, prefix: str, clock: Any, stalls: Stalls = NEVER) -> None:
        self._dut, self._prefix, self._clock = dut, prefix, clock
        self._draws = {name: stalls.draws(name) for name in ("aw", "w", "b", "ar", "r")}
        for name in ("awvalid", "wvalid", "bready", "arvalid", "rready", "awprot", "arprot"):
            self._port(name).value = 0

    def _port(self, name: str) -> Any:
        return getattr(self._dut, f"{self._prefix}_{name}")

    async def write(
        self, address: int, value: int, *, strobe: int = 0b1111, max_cycles: int = 1000
    ) -> None:
        """Write a register of 32 bits at a byte address, or those of its bytes with a strobe.

        Raises
        ------
        BusError
            if the response is not OKAY, or does not come within ``max_cycles``.
        """
        self._port("awaddr").value = address
        self._port("wdata").value = value
        self._port("wstrb").value = strobe
        done = await self._transfer(("aw", "w"), "b", max_cycles, f"write to {address:#05x}")
        self._judge(int(done["bresp"]), f"write to {address:#05x}")

    async def read(self, address: int, *, max_cycles: int = 1000) -> int:
        """Read a register of 32 bits at a byte address; raises like :meth:`write`."""
        self._port("araddr").value = address
        done = await self._transfer(("ar",), "r", max_cycles, f"read of {address:#05x}")
        self._judge(int(done["rresp"]), f"read of {address:#05x}")
        return int(done["rdata"])

    async def _transfer(
        self, requests: tuple[str, ...], answer: str, max_cycles: int, what: str
    ) -> dict[str, Any]:
        waiting = set(requests)
        offered: dict[str, bool] = dict.fromkeys(requests, False)
        ready = False
        for _ in range(max_cycles):
            for name in waiting:
                offered[name] = offered[name] or not _stalled(self._draws[name])
                self._port(f"{name}valid").value = int(offered[name])
            ready = not _stalled(self._draws[answer])
            self._port(f"{answer}ready").value = int(ready)
            await RisingEdge(self._clock)
            for name in sorted(waiting):
                if offered[name] and int(self._port(f"{name}ready").value):
                    waiting.discard(name)
                    self._port(f"{name}valid").value = 0
            if ready and int(self._port(f"{answer}valid").value):
                if waiting:
                    raise BusError(f"{what} was answered before it was asked")
                self._port(f"{answer}ready").value = 0
                fields = ("bresp",) if answer == "b" else ("rresp", "rdata")
                return {field: self._port(field).value for field in fields}
        raise BusError(f"{what} was not answered within {max_cycles} cycles")

    def _judge(self, response: int, what: str) -> None:
        if response:
            raise BusError(f"{what} must be answered by OKAY, not {RESPONSES[response]}")


def _stalled(draws: Iterator[bool]) -> bool:
    return next(draws)
