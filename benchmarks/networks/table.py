"""The rows for people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["HEAD", "lines"]

HEAD = (
    "network", "board", "MMAC", "MAC/cycle", "fits", "cycles ideal", "estimate", "simulated",
    "exact", "codes off", "from float",
)  # fmt: skip
"""``codes off``: worst and mean distance from onnxruntime; ``from float``: :func:`_ratio`."""


def lines(rows: Iterable[dict[str, Any]]) -> list[tuple[object, ...]]:
    """One a row; what is not known is a dash."""
    return [
        (
            row["network"],
            row["board"],
            _number(row, "macs", 1e6),
            row.get("machine", {}).get("macs_per_cycle", "-"),
            "yes" if row["fits"] else "no",
            _number(row, "cycles_ideal"),
            _number(row, "cycles_estimate"),
            _number(row, "cycles"),
            _exact(row),
            _off(row),
            _ratio(row),
        )
        for row in rows
    ]


def _number(row: dict[str, Any], name: str, unit: float = 1) -> str:
    value = row.get(name)
    if value is None:
        return "-"
    return f"{value / unit:,.1f}" if unit > 1 else f"{value:,}"


def _exact(row: dict[str, Any]) -> str:
    """Whether golden machine and, where it was simulated, Verilog have the graph's codes."""
    if row["exact"] is None:
        return "-"
    if not row["exact"]:
        return "no"
    if row.get("cycles") is None:
        return "golden"
    return "no: Verilog" if row["codes_wrong"] else "golden, Verilog"


def _off(row: dict[str, Any]) -> str:
    found = row.get("onnxruntime")
    return f"{found['max_codes']:.0f}; {found['mean_codes']:.2f}" if found else "-"


def _ratio(row: dict[str, Any]) -> str:
    """Distance from the float network over that of onnxruntime's int8."""
    ratio = (row.get("onnxruntime") or {}).get("ratio")
    return "-" if ratio is None else f"{ratio:.2f}"
