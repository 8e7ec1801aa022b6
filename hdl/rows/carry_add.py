"""An adder whose one operand needs no LUT: the other one's logic takes the whole LUT."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Instance, Module, Signal, Value, signed

from hdl.rows.adder_tree import add


def carry_add(
    m: Module, family: str, direct: Value, other: Value, carry: Value, bits: int
) -> Value:
    """``direct + other + carry``, signed, in ``bits`` bits.

    A carry chain takes the sum bits without carry from the LUTs and one operand beside them. For
    the vendor's devices that operand is ``direct`` for certain, as the chain is instantiated:
    what makes ``other`` of up to five signals a bit is then part of the adder. Synthesis left
    alone chooses the operand by width and builds that logic twice. The missing one enters the
    chain where it begins, without a bit of its own.
    """
    left, right = Signal(signed(bits)), Signal(signed(bits))
    m.d.comb += [left.eq(direct), right.eq(other)]
    if family == "generic":
        return add(left, right, carry)[:bits].as_signed()
    propagate = Signal(bits)
    m.d.comb += propagate.eq(left ^ right)
    size = 8 if family == "xcup" else 4
    total: list[Value] = []
    before: Value = carry
    for start in range(0, bits, size):
        out, carries = Signal(size), Signal(size)
        ports: dict[str, Value] = {"i_DI": left[start : start + size],
                                   "i_S": propagate[start : start + size]}  # fmt: skip
        ports = {name: Cat(value, Const(0, size - len(value))) for name, value in ports.items()}
        if family == "xcup":
            ports |= {"i_CI": before, "i_CI_TOP": Const(0, 1)}
        elif start:
            ports |= {"i_CI": before, "i_CYINIT": Const(0, 1)}
        else:
            ports |= {"i_CI": Const(0, 1), "i_CYINIT": before}
        m.submodules += Instance(
            "CARRY8" if family == "xcup" else "CARRY4", **ports, o_O=out, o_CO=carries
        )
        total.append(out)
        before = carries[-1]
    return Cat(total)[:bits].as_signed()
