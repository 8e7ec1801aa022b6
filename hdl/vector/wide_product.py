"""A 32 x 32-bit product of four DSP slices, every one with its registers."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, signed

A_BITS, B_BITS = 24, 17
"""Low bits of the operands, unsigned: a slice multiplies 25 by 18 signed bits."""


def wide_product(m: Module, a: Signal, b: Signal, addend: Signal) -> Signal:
    """Build ``a * b + addend`` in 63 bits, three cycles later; throughput one per cycle.

    Parameters
    ----------
    a, b : signed, 32 bits
    addend : signed, 43 bits
    """
    low_a, high_a = a[:A_BITS], a[A_BITS:].as_signed()
    low_b, high_b = b[:B_BITS], b[B_BITS:].as_signed()
    # Products have two registers, the slice's own: one behind the multiplier, one at its output.
    first = {"ll": low_a * low_b, "lh": low_a * high_b, "hl": high_a * low_b, "hh": high_a * high_b}
    parts = {}
    for name, product in first.items():
        inner = Signal(product.shape(), name=f"inner_{name}")
        outer = Signal(product.shape(), name=f"outer_{name}")
        m.d.sync += [inner.eq(product), outer.eq(inner)]
        parts[name] = outer
    later = [Signal(signed(43), name=f"addend_{i}") for i in range(2)]
    m.d.sync += [later[0].eq(addend), later[1].eq(later[0])]
    total = Signal(signed(63))
    m.d.sync += total.eq(
        parts["ll"]
        + later[1]
        + (parts["hl"] << A_BITS)
        + ((parts["lh"] + (parts["hh"] << A_BITS)) << B_BITS)
    )
    return total
