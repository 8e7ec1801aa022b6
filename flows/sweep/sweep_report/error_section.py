"""Lines of the page on the errors of estimates."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from flows.estimate.cycles.cycle_points import stated_error
from flows.estimate.stale import stale_notes
from flows.sweep.model_mark import model_mark
from flows.sweep.sweep_report.measured import differences
from flows.sweep.sweep_report.sweep_content import Group

__all__ = ["found_errors", "known_errors"]

_RESOURCES = Path(__file__).parents[2] / "estimate" / "data" / "resource_error.json"
_NAMES = {"lut": "LUTs", "ff": "flip-flops", "dsp": "DSP slices", "cycles": "cycles"}


def known_errors(model: str) -> str:
    """Stated errors of this version's estimates; another version's are not known."""
    if model != model_mark():
        return (
            f"These estimates are of another version ({model}, here {model_mark()}): what is known "
            "of errors here does not hold for them."
        )
    cost, cycles = json.loads(_RESOURCES.read_text()), stated_error()
    return (
        "Errors of the estimates, on machines held out: LUTs "
        f"{_percent(cost['lut_median'])} median, {_percent(cost['lut_p95'])} "
        f"at the 95th percentile; flip-flops {_percent(cost['ff_median'])} and "
        f"{_percent(cost['ff_p95'])}; DSP slices off by {cost['dsp_max_error']} at most; cycles of "
        f"an image {_percent(cycles['network_median'])} median, "
        f"{_percent(cycles['network_max'])} at worst, against a memory that never stalls. "
        "A point outside the calibrated range may err more; the table names the parameters."
        + "".join(f" Note: {note}." for note in (*stale_notes("cycles"), *stale_notes("resources")))
    )


def found_errors(group: Group) -> Iterator[str]:
    """Errors in this sweep, of what was synthesised or simulated."""
    for name, some in differences(group.entries).items():
        size = np.abs(some)
        by = "simulation" if name == "cycles" else "synthesis"
        yield (
            f"{_NAMES[name]} against {by}, {len(some):,} point{'s' * (len(some) > 1)}: "
            f"{_percent(float(np.median(size)))} median, {_percent(float(size.max()))} at most"
        )


def _percent(share: float) -> str:
    return f"{100 * share:.{1 if share >= 0.005 or not share else 2}f} %"
