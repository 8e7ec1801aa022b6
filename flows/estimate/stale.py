"""Whether calibrations were measured on the hardware as it is now.

Cycles and resources of estimates are fitted to simulations and syntheses that take hours. A change
of the hardware does not undo them, but from then on their stated errors are those of another
machine: every estimate says so until the measurement is repeated.
"""

from __future__ import annotations

import ast
import hashlib
import json
from functools import cache
from pathlib import Path

__all__ = ["MEASURED_ON", "PLACES", "code_mark", "record", "stale_notes"]

ROOT = Path(__file__).parents[2]
MEASURED_ON = Path(__file__).with_name("data") / "measured_on.json"
"""Mark of the code by kind of calibration, at the last measurement."""

_HARDWARE = ("hdl", *(f"models/{n}" for n in ("cost", "formats", "machine", "numerics", "program")))
PLACES = {"cycles": (*_HARDWARE, "flows/mapper"), "resources": _HARDWARE}
"""Folders whose code decides what is measured."""

_AGAIN = {
    "cycles": "remove data/cycle_points.jsonl of flows/estimate, then benchmarks.cycle_points",
    "resources": "python -m benchmarks.resource_points --stale, then benchmarks.fit_resources",
}


def stale_notes(kind: str) -> list[str]:
    """A note if the code of :data:`PLACES` is not what a calibration was measured on, else none."""
    if json.loads(MEASURED_ON.read_text())[kind] == code_mark(kind):
        return []
    note = (
        f"the calibration of {kind} is stale: the hardware has changed since it was measured, and "
        f"stated errors are of the former one; to repeat it: {_AGAIN[kind]}"
    )
    return [note]


def record(kind: str, root: Path = ROOT, file: Path = MEASURED_ON) -> None:
    """Note that a calibration was measured on the code as it is now."""
    from flows.work.atomic import output_file

    marks = json.loads(file.read_text()) if file.exists() else {}
    marks[kind] = code_mark(kind, root)
    with output_file(file) as scratch:
        scratch.write_text(json.dumps(marks, indent=1, sort_keys=True) + "\n")


@cache
def code_mark(kind: str, root: Path = ROOT) -> str:
    """Digest of the code of a kind's folders, the same for every version of Python.

    Comments, docstrings, annotations, the places of files and of what they import are left out:
    they change no machine.
    """
    files = sorted(path for place in PLACES[kind] for path in (root / place).rglob("*.py"))
    digests = sorted(_file_mark(path) for path in files)
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:16]


@cache
def _file_mark(path: Path) -> str:
    parts: list[str] = []
    _tell(ast.parse(path.read_text(encoding="utf-8")), parts)
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


_UNTOLD = ("annotation", "returns", "type_comment", "type_params", "kind", "ctx", "module", "level")
"""Fields of nodes that do not run, or that not every version of Python has."""


def _tell(node: ast.AST, parts: list[str]) -> None:
    """Append the names of nodes and the values in them, in order."""
    parts.append(type(node).__name__)
    for name in node._fields:
        value = getattr(node, name, None)
        if name in _UNTOLD or value is None:
            continue
        for one in value if isinstance(value, list) else [value]:
            if not isinstance(one, ast.AST):
                parts.append(f"{name}={one!r}")
            elif not _left_out(one):
                parts.append(name)
                _tell(one, parts)


def _left_out(node: ast.AST) -> bool:
    """Imports under their own names, and docstrings of whatever they stand behind."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        # Under another name something else may come in.
        return not any(one.asname for one in node.names)
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
