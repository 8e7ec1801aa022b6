"""A function of up to six signals, guaranteed to be one LUT."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from amaranth.hdl import Cat, Const, Instance, Module, Signal, Value

INPUTS = 6


def lut(m: Module, family: str, function: Callable[..., object], inputs: Sequence[Value]) -> Value:
    """Build ``function`` of single bits from its truth table.

    For ``xc7`` and ``xcup`` a ``LUT6`` is instantiated. Synthesis on its own shares common logic of
    two such functions, which makes one of them two LUTs deep.

    Raises
    ------
    ValueError
        If there are more than six inputs.
    """
    if len(inputs) > INPUTS:
        raise ValueError(f"inputs of a LUT must be at most {INPUTS}, not {len(inputs)}")
    bits = [[row >> i & 1 for i in range(len(inputs))] for row in range(1 << INPUTS)]
    table = Const(sum(bool(function(*one)) << row for row, one in enumerate(bits)), 1 << INPUTS)
    padded = [*inputs, *[Const(0, 1)] * (INPUTS - len(inputs))]
    if family == "generic":
        return table.bit_select(Cat(padded), 1)
    out = Signal()
    ports = {f"i_I{i}": value for i, value in enumerate(padded)}
    m.submodules += Instance("LUT6", p_INIT=table, **ports, o_O=out)
    return out
