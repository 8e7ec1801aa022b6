"""Reads what Vivado's ``report_utilization`` writes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from flows.errors import RunError

__all__ = ["Utilisation", "read_utilisation"]

ROWS = {
    # 7-series and UltraScale have different names.
    "lut": ("Slice LUTs", "CLB LUTs"),
    "ff": ("Slice Registers", "CLB Registers"),
    "dsp": ("DSPs",),
    "bram36": ("Block RAM Tile",),
}
_ROW = re.compile(r"^\|\s*(?P<name>[^|]+?)\*?\s*\|\s*(?P<used>[^|]+?)\s*\|", re.MULTILINE)
_VERSION = re.compile(r"^\|\s*Tool Version\s*:\s*Vivado v\.?(\S+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Utilisation:
    """Resources of a design.

    Attributes
    ----------
    lut, ff, dsp : as Vivado counts them
    bram36 : tiles of 36 Kb; one of 18 Kb is a half
    version : version of Vivado
    """

    lut: int
    ff: int
    dsp: int
    bram36: float
    version: str


def read_utilisation(text: str) -> Utilisation:
    """The figures of a report.

    Raises
    ------
    RunError
        If a row that is needed is missing, or is no number.
    """
    rows: dict[str, str] = {}
    for row in _ROW.finditer(text):
        rows.setdefault(row["name"], row["used"])
    version = _VERSION.search(text)
    used = {name: _used(rows, names) for name, names in ROWS.items()}
    return Utilisation(
        lut=int(used["lut"]),
        ff=int(used["ff"]),
        dsp=int(used["dsp"]),
        bram36=used["bram36"],
        version=version[1] if version else "unknown",
    )


def _used(rows: dict[str, str], names: tuple[str, ...]) -> float:
    found = next((rows[name] for name in names if name in rows), None)
    wanted = " or ".join(repr(name) for name in names)
    if found is None:
        raise RunError(f"utilisation report of Vivado must have a row {wanted}")
    try:
        return float(found)
    except ValueError:
        raise RunError(
            f"row {wanted} of Vivado's utilisation report must be a number, not {found!r}"
        ) from None
