"""What a machine's parameters must be: the one table that checks, messages and searches share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

__all__ = [
    "ACT_BITS",
    "AXI_WIDTHS",
    "DEPTH_MAX",
    "MACRO_RULES",
    "PART_SUMS_MAX",
    "ROW_GROUP_MAX",
    "RULES",
    "SCRATCHPAD_WORDS_MAX",
    "TOKENS_MAX",
    "Rule",
    "check",
]

ACT_BITS = (4, 8)
"""Least and most bits of an activation code."""

AXI_WIDTHS = (32, 64, 128)
"""Bits of the memory bus."""

DEPTH_MAX = 8192
"""Elements of K that a weight row holds at most."""

PART_SUMS_MAX = 1 << 14
"""Beats of sums that wait for another part of K, at most."""

ROW_GROUP_MAX = 64
"""Rows that a multi-pass vector operator works on at a time, at most."""

SCRATCHPAD_WORDS_MAX = 1 << 17
"""Words of the scratchpad at most."""

TOKENS_MAX = 32
"""Activation vectors of a beat at most."""


class Rule(NamedTuple):
    """One condition on a specification.

    Attributes
    ----------
    name : parameter, as users write it
    want : text after "must be", made from the specification
    holds : whether the specification meets it
    value : what the message shows, the parameter by default
    """

    name: str
    want: Callable[[Any], str]
    holds: Callable[[Any], bool]
    value: Callable[[Any], object] | None = None


def check(spec: object, rules: Iterable[Rule]) -> None:
    """Refuse a specification that breaks a rule.

    Raises
    ------
    ValueError
        Of the first one broken: the parameter, what it must be, what it is.
    """
    for rule in rules:
        if not rule.holds(spec):
            value = rule.value(spec) if rule.value else getattr(spec, rule.name)
            raise ValueError(f"{rule.name} must be {rule.want(spec)}, not {value}")


def _text(text: str) -> Callable[[Any], str]:
    return lambda spec: text


def _total(spec: Any) -> int:
    return sum(c.rows for c in spec.classes)


def _power(value: int) -> bool:
    return value & (value - 1) == 0


def _at_least_two(name: str) -> Rule:
    return Rule(name, _text("at least 2"), lambda s: getattr(s, name) >= 2)


def _power_of_two(name: str) -> Rule:
    return Rule(name, _text("a power of two"), lambda s: _power(getattr(s, name)))


RULES = (
    Rule("rows", lambda s: f"the sum of its classes, {_total(s)}",
         lambda s: _total(s) in (0, s.rows)),
    Rule("act_bits", _text(f"{ACT_BITS[0]} to {ACT_BITS[1]}"),
         lambda s: ACT_BITS[0] <= s.act_bits <= ACT_BITS[1]),
    Rule("act_bits", _text("8 without row classes"), lambda s: s.act_bits == 8 or s.classes),
    Rule("rows", lambda s: f"a divisor of tokens * lanes = {s.word_bytes}",
         lambda s: s.classes or s.word_bytes % s.rows == 0),
    Rule("vector_lanes",
         lambda s: f"a divisor of rows = {s.rows} and half a divisor of {s.word_bytes}",
         lambda s: s.word_bytes % (2 * s.vector_lanes) == 0 and s.rows % s.vector_lanes == 0),
    Rule("depth", lambda s: f"a multiple of lanes = {s.lanes} up to {DEPTH_MAX}",
         lambda s: s.depth % s.lanes == 0 and s.depth <= DEPTH_MAX),
    _at_least_two("rows"),
    Rule("depth", lambda s: f"at least twice lanes = {s.lanes}", lambda s: s.depth >= 2 * s.lanes),
    _at_least_two("bank_words"),
    _at_least_two("param_entries"),
    _at_least_two("row_group"),
    _power_of_two("banks"),
    _power_of_two("bank_words"),
    _power_of_two("param_entries"),
    Rule("row_group", _text(f"a power of two up to {ROW_GROUP_MAX}"),
         lambda s: _power(s.row_group) and s.row_group <= ROW_GROUP_MAX),
    Rule("axi_width", _text("32, 64 or 128"), lambda s: s.axi_width in AXI_WIDTHS),
    Rule("tokens", _text(f"at most {TOKENS_MAX}"), lambda s: s.tokens <= TOKENS_MAX),
    _at_least_two("queue_depth"),
    Rule("part_sums", _text(f"0, or a power of two from 2 to {PART_SUMS_MAX}"),
         lambda s: s.part_sums != 1 and _power(s.part_sums) and s.part_sums <= PART_SUMS_MAX),
    Rule("banks * bank_words", _text(f"at most {SCRATCHPAD_WORDS_MAX}"),
         lambda s: s.scratchpad_words <= SCRATCHPAD_WORDS_MAX, lambda s: s.scratchpad_words),
)  # fmt: skip
"""Of every machine, in the order in which they are looked at."""

MACRO_RULES = (
    Rule("row classes", _text("none beside a macro"), lambda s: not s.classes,
         lambda s: len(s.classes)),
    Rule("rows", lambda s: f"the macro's {s.macro.rows} outputs", lambda s: s.rows == s.macro.rows),
    Rule("rows", lambda s: f"more than vector_lanes = {s.vector_lanes} beside a macro",
         lambda s: s.rows > s.vector_lanes),
    Rule("rows", lambda s: f"tokens * lanes = {s.word_bytes} beside a macro",
         lambda s: s.rows == s.word_bytes),
    Rule("lanes", lambda s: f"a divisor of the macro's depth {s.macro.spec.depth}",
         lambda s: s.macro.spec.depth % s.lanes == 0),
    # A sign is of a whole fragment: it comes with its one entry of weights.
    Rule("lanes", lambda s: f"the polarised fragment's {s.macro.spec.depth} rows",
         lambda s: s.macro.spec.depth == s.lanes or not s.macro.paired),
)  # fmt: skip
"""Of a machine around a macro, besides."""
