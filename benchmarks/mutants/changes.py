"""All mutants of a source file."""

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.mutants.mutant import Mutant
from benchmarks.mutants.operators import OPERATORS

__all__ = ["mutants_of"]


def mutants_of(root: Path, file: str) -> list[Mutant]:
    """Mutants of a file, in the order of its text; ``file`` is its path from ``root``."""
    source = (root / file).read_text(encoding="utf-8")
    tree = ast.parse(source)
    lines = source.splitlines()
    starts = _starts(source)
    data = source.encode()
    digest = hashlib.sha256(data).hexdigest()[:16]
    found: dict[tuple[int, int, str], Mutant] = {}
    for node in _reached(tree):
        for kind, change in OPERATORS.items():
            for _, piece, after in change(node):
                start = starts[piece.lineno - 1] + piece.col_offset
                end = starts[piece.end_lineno - 1] + piece.end_col_offset
                before = data[start:end].decode()
                mutant = Mutant(
                    file=file,
                    digest=digest,
                    line=piece.lineno,
                    text=lines[piece.lineno - 1].strip(),
                    kind=kind,
                    start=start,
                    end=end,
                    before=before,
                    after=after,
                )
                found.setdefault((start, end, after), mutant)
    ordered = sorted(found.values(), key=lambda one: (one.start, one.end, one.kind, one.after))
    seen: Counter[tuple[str, str]] = Counter()
    numbered = []
    for one in ordered:
        seen[one.text, one.mutation] += 1
        numbered.append(replace(one, number=seen[one.text, one.mutation]))
    return numbered


def _starts(source: str) -> list[int]:
    """Byte position of the begin of every line."""
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return starts


def _reached(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes that say what is computed: not texts, types, imports, nor what narrows types."""
    if isinstance(node, (ast.JoinedStr, ast.Assert, ast.Import, ast.ImportFrom)):
        return
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    yield node
    if isinstance(node, ast.Raise):
        return
    left_out = {"annotation", "returns", "type_params", "decorator_list"}
    if isinstance(node, ast.Assign) and _names(node) & {"__all__"}:
        return
    for name, value in ast.iter_fields(node):
        if name not in left_out:
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _reached(child)


def _names(node: ast.Assign) -> set[str]:
    return {target.id for target in node.targets if isinstance(target, ast.Name)}
