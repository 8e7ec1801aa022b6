"""The macro as a black box, for designs with a real macro."""

from __future__ import annotations

from amaranth.hdl import ClockSignal, Instance, Module, ResetSignal, Value
from amaranth.lib.wiring import Component

from hdl.cim.macro import MacroSignature
from hdl.cim.shape import MacroShape


class BlackBox(Component):
    """Ports of :class:`~hdl.cim.macro.Macro` around an instance of a module from elsewhere.

    In a tape-out this is the analog macro with its digital wrapper. Latency and throughput are
    those of that module: every stream has back-pressure. The module's ports are ``clk``, ``rst``
    and the macro's ports, by their names in Amaranth's Verilog (``i_acts__valid``, ...).

    Parameters
    ----------
    shape : MacroShape
    module : str
        Name of the module.
    """

    def __init__(self, shape: MacroShape, module: str = "cim_macro") -> None:
        self.shape = shape
        self.module = module
        super().__init__(MacroSignature(shape))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ports: dict[str, object] = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
        for path, member, value in self.signature.flatten(self):
            # Amaranth's Verilog makes a structure a single vector.
            ports[f"{member.flow.name[0].lower()}_{'__'.join(path)}"] = Value.cast(value)
        m.submodules.macro = Instance(self.module, **ports)
        return m
