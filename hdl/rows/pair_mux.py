"""Multiplexer between a number and its double, with two output bits per LUT."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Instance, Module, Mux, Signal, Value


def pair_mux(m: Module, family: str, double: Value, number: Value) -> Value:
    """Return ``2 * number`` if ``double``, else ``number``; signed, one bit wider.

    Two neighbouring bits depend on only four inputs, so on ``xc7`` and ``xcup`` both come from one
    ``LUT6_2``, whose two outputs share five inputs. Synthesis on its own takes two LUTs.
    """
    bits = [*number, number[-1]]
    chosen: list[Value] = []
    for index in range(0, len(number), 2):
        below = bits[index - 1] if index else Const(0, 1)
        inputs = [below, bits[index], bits[index + 1], double]
        if family == "generic":
            chosen += [Mux(double, inputs[0], inputs[1]), Mux(double, inputs[1], inputs[2])]
            continue
        low, high = Signal(), Signal()
        m.submodules += Instance(
            "LUT6_2",
            p_INIT=Const(_table(1, 2) << 32 | _table(0, 1), 64),
            **{f"i_I{i}": value for i, value in enumerate(inputs)},
            i_I4=Const(0, 1),
            i_I5=Const(1, 1),
            o_O5=low,
            o_O6=high,
        )
        chosen += [low, high]
    # The top bit is the sign, whichever number is selected.
    return Cat(chosen[: len(number)], number[-1]).as_signed()


def _table(doubled: int, plain: int) -> int:
    """Truth table over five inputs: input ``doubled`` if input 3 is set, else input ``plain``."""
    return sum((row >> (doubled if row >> 3 & 1 else plain) & 1) << row for row in range(32))
