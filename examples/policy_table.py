"""Accuracy of networks quantised by every policy, as a table: shared by the examples."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from flows.quantise import (
    POLICIES,
    Choices,
    Labelled,
    find_policy,
    float_accuracy,
    integer_accuracy,
    quantise_network,
    read_float_network,
)

__all__ = ["Case", "main"]

_CALIBRATION_IMAGES = 256
_RUNS = [(name, None) for name in POLICIES] + [("auto-vit-acc", 4)]
"""Policies and their weight bits, where these are to be chosen."""


class Case:
    """A float network and its data: calibration images, and labelled test images."""

    def __init__(self, path: Path, calibration: NDArray[np.float32], test: Labelled) -> None:
        self.path, self.calibration, self.test = path, calibration, test


def measure(case: Case, policies: Sequence[tuple[str, int | None]], folder: Path) -> dict[str, Any]:
    """Accuracies in percent, float and by policy, and the files' row formats."""
    network = read_float_network(case.path)
    images = case.calibration[:_CALIBRATION_IMAGES]
    rows = []
    plain = 100 * float_accuracy(network, case.test)
    print(f"{network.name} float: {plain:.2f} %", file=sys.stderr, flush=True)
    for name, bits in policies:
        begin = time.monotonic()
        policy = find_policy(name, bits)
        title = name if bits is None else f"{name}, {bits} bits"
        quantised = quantise_network(network, images, Choices(policy=policy, ratio=policy.ratio))
        path = folder / f"{case.path.stem}_{name}{bits or ''}.onnx"
        onnx.save(quantised.model, path)
        accuracy = 100 * integer_accuracy(path, case.test)
        counts = Counter(kind for _, fitted in quantised.layers for kind in fitted.formats)
        rows.append({"policy": title, "accuracy": accuracy, "rows": dict(counts)})
        seconds = time.monotonic() - begin
        print(f"{title}: {accuracy:.2f} %, {seconds:.0f} s", file=sys.stderr, flush=True)
    return {"float": plain, "images": len(case.test.labels), "policies": rows}


def main(
    description: str,
    cases: dict[str, Callable[[], Case]],
    folder: Path,
    arguments: Sequence[str] | None = None,
) -> None:
    """Command line: which networks, which policies, markdown or JSON."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"of {', '.join(cases)}")
    parser.add_argument("--policy", action="append", choices=list(POLICIES), help="default: all")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    for name in options.networks:
        if name not in cases:
            parser.error(f"network must be one of {', '.join(cases)}, not {name!r}")
    folder.mkdir(parents=True, exist_ok=True)
    runs = [run for run in _RUNS if not options.policy or run[0] in options.policy]
    chosen = options.networks or list(cases)
    found = {name: measure(cases[name](), runs, folder) for name in chosen}
    print(json.dumps(found, indent=2) if options.json else _markdown(found))


def _markdown(found: dict[str, Any]) -> str:
    names = list(found)
    lines = ["| policy | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    lines.append("| float | " + " | ".join(f"{found[n]['float']:.2f}" for n in names) + " |")
    for row, first in enumerate(found[names[0]]["policies"]):
        cells = (f"{found[n]['policies'][row]['accuracy']:.2f}" for n in names)
        lines.append(f"| {first['policy']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
