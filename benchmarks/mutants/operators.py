"""The operators: for a node of a file's syntax tree, pieces of text and their replacements.

Each yields ``(kind, piece, replacement)``: the piece is a node or a pair of line and column before
and after; the replacement is text. Expressions are put in brackets, so that their neighbours bind
as before.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["OPERATORS", "Change"]

Change = tuple[str, Any, str]

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
SYMBOLS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
EXTREMES = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum"}
CONDITIONS = ("If", "Elif")
"""Methods of a module in hdl that take a condition."""


def comparison(node: ast.AST) -> Iterator[Change]:
    """``<`` and ``<=``, ``==`` and ``!=``, and so on."""
    if isinstance(node, ast.Compare):
        for place, symbol in enumerate(node.ops):
            if type(symbol) in COMPARISONS:
                symbols = [*node.ops]
                symbols[place] = COMPARISONS[type(symbol)]()
                other = ast.Compare(left=node.left, ops=symbols, comparators=node.comparators)
                yield "comparison", node, f"({ast.unparse(other)})"


def constant(node: ast.AST) -> Iterator[Change]:
    """A whole number, one more and one less."""
    if isinstance(node, ast.Constant) and type(node.value) is int:
        for step in (1, -1):
            yield "constant", node, f"({node.value + step})"


def symbol(node: ast.AST) -> Iterator[Change]:
    """``+`` and ``-``, ``<<`` and ``>>``, ``&`` and ``|``."""
    if isinstance(node, ast.BinOp) and type(node.op) in SYMBOLS:
        other = ast.BinOp(left=node.left, op=SYMBOLS[type(node.op)](), right=node.right)
        yield "operator", node, f"({ast.unparse(other)})"
    if isinstance(node, ast.AugAssign) and isinstance(node.op, (ast.Add, ast.Sub)):
        # A list of assignments in hdl cannot be taken away from; it is left out instead.
        if not _is_domain(node.target):
            other_step = ast.AugAssign(
                target=node.target, op=SYMBOLS[type(node.op)](), value=node.value
            )
            yield "operator", node, ast.unparse(other_step)


def connective(node: ast.AST) -> Iterator[Change]:
    """``and`` and ``or``."""
    if isinstance(node, ast.BoolOp):
        op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield "connective", node, f"({ast.unparse(ast.BoolOp(op=op, values=node.values))})"


def negation(node: ast.AST) -> Iterator[Change]:
    """A ``not`` more in a condition, or one less; ``== 0`` for a condition in hdl."""
    if isinstance(node, (ast.If, ast.While, ast.IfExp)):
        yield "negation", node.test, f"(not ({ast.unparse(node.test)}))"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr in CONDITIONS and len(node.args) == 1:
            yield "negation", node.args[0], f"(({ast.unparse(node.args[0])}) == 0)"


def extreme(node: ast.AST) -> Iterator[Change]:
    """``min`` and ``max``."""
    if isinstance(node, ast.Call):
        match node.func:
            case ast.Name(id=name) if name in EXTREMES and len(node.args) > 1:
                yield "extreme", node.func, EXTREMES[name]
            case ast.Attribute(value=value, attr=name) if name in EXTREMES:
                yield "extreme", node.func, f"{ast.unparse(value)}.{EXTREMES[name]}"


def arms(node: ast.AST) -> Iterator[Change]:
    """The two arms of a ``Mux``, and those of a conditional expression."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Mux":
        if len(node.args) == 3:
            select, one, two = node.args
            swapped = ast.Call(func=node.func, args=[select, two, one], keywords=[])
            yield "arms", node, ast.unparse(swapped)


def bound(node: ast.AST) -> Iterator[Change]:
    """A bound of a slice, one more and one less."""
    if isinstance(node, ast.Slice):
        for limit in (node.lower, node.upper):
            # Numbers are the operator `constant`'s.
            if limit is not None and not isinstance(limit, ast.Constant):
                for step in ("+ 1", "- 1"):
                    yield "bound", limit, f"(({ast.unparse(limit)}) {step})"


def omission(node: ast.AST) -> Iterator[Change]:
    """A statement left out, and one of a list of assignments in hdl."""
    match node:
        case ast.Expr(value=ast.Call()) | ast.Raise() | ast.Continue() | ast.Break():
            yield "omission", node, "pass"
        case ast.AugAssign():
            yield "omission", node, "pass"
            if _is_domain(node.target) and isinstance(node.value, ast.List):
                for element in node.value.elts:
                    if not isinstance(element, ast.Starred) and len(node.value.elts) > 1:
                        yield "omission", element, "*[]"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield "omission", node, "pass"


def _is_domain(target: ast.expr) -> bool:
    """Whether it is ``m.d.DOMAIN`` of a module in hdl."""
    return (
        isinstance(target, ast.Attribute)
        and isinstance(target.value, ast.Attribute)
        and target.value.attr == "d"
    )


OPERATORS: dict[str, Callable[[ast.AST], Iterator[Change]]] = {
    "comparison": comparison,
    "constant": constant,
    "operator": symbol,
    "connective": connective,
    "negation": negation,
    "extreme": extreme,
    "arms": arms,
    "bound": bound,
    "omission": omission,
}
"""By the kind that its mutants bear."""
