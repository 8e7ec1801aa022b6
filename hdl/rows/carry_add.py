"""An adder with one operand wired past the LUTs, which are free for the other operand's logic."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Instance, Module, Signal, Value, signed

from hdl.rows.adder_tree import add


def carry_add(
    m: Module, family: str, direct: Value, other: Value, carry: Value, bits: int
) -> Value:
    """Return ``direct + other + carry`` as ``bits`` signed bits.

    A carry chain takes the XOR of both operands from the LUTs and one operand past them. For
    ``xc7`` and ``xcup`` the chain is instantiated, so that this operand is always ``direct``, and
    logic of up to five signals per bit of ``other`` merges into the adder's LUTs. Synthesis on its
    own chooses the operand by width and builds that logic twice. ``carry`` enters at the start of
    the chain and costs no bit of it.
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
