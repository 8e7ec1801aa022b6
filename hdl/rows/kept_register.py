"""A register of one bit that synthesis keeps, though another one has the same input."""

from __future__ import annotations

from amaranth.hdl import ClockSignal, Const, Instance, Module, Signal, Value


def kept_register(m: Module, family: str, value: Value, register: Signal) -> None:
    """Let ``register`` be a register of ``value``: copies of it share the pins of a large net.

    For ``xc7`` and ``xcup`` a flip-flop is instantiated, since equal registers are merged. No reset
    reaches it; before the first clock edge it has the initial value of ``register``, which must be
    ``reset_less``.
    """
    if family == "generic":
        m.d.sync += register.eq(value)
        return
    m.submodules += Instance(
        "FDRE",
        a_keep=1,
        a_dont_touch="true",
        p_INIT=Const(register.init, 1),
        i_C=ClockSignal(),
        i_CE=Const(1, 1),
        i_R=Const(0, 1),
        i_D=value,
        o_Q=register,
    )
