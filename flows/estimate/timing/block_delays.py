"""Delays of block RAM and DSP slices, by which of their registers are in use.

Picoseconds, slow corner of a -1 part. DSP slices: ``artix7/timings/DSP_L.sdf`` of Project X-Ray
(github.com/f4pga/prjxray-db), of which Yosys's ``xilinx/cells_sim.v`` has a faster corner; cascades
and modes are rounded. Block RAM: 2,300 from clock to output, 880 from its output register.

Paths within one slice, from its input register to the one behind the multiplier, are not counted.
"""

from __future__ import annotations

from flows.estimate.timing.cell_timing import Bus, CellTiming
from flows.estimate.timing.netlist import Cell

__all__ = ["block_cell", "block_ram", "dsp_slice"]

RAM, RAM_REGISTERED = 2300, 880
RAM_SETUP = {"ADDR": 500, "DI": 600}
RAM_CONTROL = 500

REGISTERS = {"A": "AREG", "B": "BREG", "C": "CREG", "D": "DREG", "ACIN": "AREG", "BCIN": "BREG"}
"""The register at each data input."""
REGISTER_SETUP = 450
TO_M = {"A": 1930, "B": 1743, "D": 3158, "ACIN": 1700, "BCIN": 1600}
"""Set-up before the multiplier's register, without one at the input."""
TO_P = {"A": 3841, "B": 3656, "C": 1820, "D": 5070, "PCIN": 1500, "ACIN": 3600, "BCIN": 3500}
"""Combinational, with no register on the way."""
INTO_P = 300
"""By so much less is the set-up before the last register than the way to the pin behind it."""
TO_CASCADE = 190
"""By so much later than ``P`` is ``PCOUT``, if ``P`` has no register."""
FROM_P = {"P": 434, "PCOUT": 478}
FROM_M = 2305
FROM_INPUT = {"A": 4009, "B": 3813, "C": 2291, "D": 5368}
"""From a register at the input to ``P``, with none behind it (D as A before the adder)."""
BEFORE_ADDER = {"A": 1360, "ACIN": 1360}
"""More, where A passes the adder before the multiplier (``USE_DPORT``), as D always does."""

MODES = {"OPMODE": "OPMODEREG", "INMODE": "INMODEREG", "ALUMODE": "ALUMODEREG",
         "CARRYIN": "CARRYINREG", "CARRYINSEL": "CARRYINSELREG"}  # fmt: skip
MODE_SETUP, MODE_TO_P = 400, 1500
DSP_CONTROL = 500


def block_cell(cell: Cell) -> CellTiming | None:
    """Delays of a block RAM or DSP slice; None for other cells."""
    if cell.kind in ("RAMB18E1", "RAMB36E1"):
        return block_ram(cell)
    return dsp_slice(cell) if cell.kind == "DSP48E1" else None


def _number(cell: Cell, name: str, default: int) -> int:
    """A parameter; Yosys writes numbers in binary."""
    text = cell.parameters.get(name)
    return default if text is None else int(text, 2)


def block_ram(cell: Cell) -> CellTiming:
    """One port to write and one to read (``SDP``) is read by the clock and registers of port A."""
    registered = {port: _number(cell, f"DO{port}_REG", 0) > 0 for port in "AB"}
    if cell.parameters.get("RAM_MODE") == "SDP":
        registered["B"] = registered["A"]
    launch = {
        port: RAM_REGISTERED if registered["A" if port in ("DOADO", "DOPADOP") else "B"] else RAM
        for port in cell.outputs
        if port.startswith("DO")
    }
    capture = {
        port: next((ps for name, ps in RAM_SETUP.items() if port.startswith(name)), RAM_CONTROL)
        for port in cell.inputs
        if "CLK" not in port
    }
    return CellTiming(launch=launch, capture=capture)


def dsp_slice(cell: Cell) -> CellTiming:
    """Each input ends at the first register on its way, or else goes through to ``P``."""
    used = {port for port, bits in cell.inputs.items() if any(isinstance(b, int) for b in bits)}
    m, p = _number(cell, "MREG", 1), _number(cell, "PREG", 1)
    outputs = [port for port in ("P", "PCOUT") if port in cell.outputs]
    buses: list[Bus] = []
    capture = {port: DSP_CONTROL for port in used if port.startswith(("CE", "RST"))}
    launches = [FROM_M] if m else []
    added = BEFORE_ADDER if cell.parameters.get("USE_DPORT") == "TRUE" else {}

    def end_or_pass(port: str, through: int) -> None:
        """At the last register, if there is one."""
        if p:
            capture[port] = through - INTO_P
        else:
            buses.extend(
                Bus(port, to, through + (TO_CASCADE if to == "PCOUT" else 0)) for to in outputs
            )

    for port in sorted(used & TO_P.keys()):
        multiplied = m and port in TO_M
        if port in REGISTERS and _number(cell, REGISTERS[port], 1):
            capture[port] = REGISTER_SETUP
            if not multiplied:
                column = {"ACIN": "A", "BCIN": "B"}.get(port, port)
                launches.append(FROM_INPUT[column] + added.get(port, 0))
        elif multiplied:
            capture[port] = TO_M[port] + added.get(port, 0)
        else:
            end_or_pass(port, TO_P[port] + added.get(port, 0))
    for port in sorted(used & MODES.keys()):
        if _number(cell, MODES[port], 1):
            capture[port] = MODE_SETUP
        elif port == "INMODE" and m:
            capture[port] = MODE_TO_P
        else:
            end_or_pass(port, MODE_TO_P)
    if p:
        launch = {port: FROM_P[port] for port in outputs}
    else:
        latest = max(launches, default=None)
        launch = {} if latest is None else {
            port: latest + (TO_CASCADE if port == "PCOUT" else 0) for port in outputs
        }  # fmt: skip
    return CellTiming(buses=tuple(buses), launch=launch, capture=capture)
