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

from flows.work.atomic import output_file

__all__ = ["MEASURED_ON", "PLACES", "code_mark", "record", "stale_notes"]

ROOT = Path(__file__).parents[2]
MEASURED_ON = Path(__file__).with_name("data") / "measured_on.json"
"""Mark of the code by kind of calibration, at the last measurement."""

PLACES = {
    "cycles": ("hdl", "flows/mapper", "models/program"),
    "resources": ("hdl", "models/cost", "models/formats"),
}
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
    marks = json.loads(file.read_text()) if file.exists() else {}
    marks[kind] = code_mark(kind, root)
    with output_file(file) as scratch:
        scratch.write_text(json.dumps(marks, indent=1, sort_keys=True) + "\n")


@cache
def code_mark(kind: str, root: Path = ROOT) -> str:
    """Digest of the code of a kind's folders.

    Comments, docstrings, annotations, imports and the places of files are left out: they change no
    machine. The parse takes a fifth of a second.
    """
    digests = sorted(
        hashlib.sha256(ast.dump(_Bare().visit(ast.parse(path.read_text()))).encode()).hexdigest()
        for place in PLACES[kind]
        for path in (root / place).rglob("*.py")
    )
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:16]


class _Bare(ast.NodeTransformer):
    """Leaves out what does not run."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Docstrings, of whatever stands before them."""
        text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if text else self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        """Imports name places."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Imports name places."""

    def visit_arg(self, node: ast.arg) -> ast.AST:
        """An argument without its type."""
        return ast.arg(arg=node.arg)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """A function without the type of its result."""
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """An assignment without its type."""
        node.annotation = ast.Constant(value=None)
        return self.generic_visit(node)
