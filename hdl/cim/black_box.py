"""The macro as a hole in the netlist, for designs that get a real one."""

from __future__ import annotations

from amaranth.hdl import ClockSignal, Instance, Module, ResetSignal, Value
from amaranth.lib.wiring import Component

from hdl.cim.macro import MacroSignature
from hdl.cim.shape import MacroShape


class BlackBox(Component):
    """Ports of :class:`~hdl.cim.macro.Macro` around an instance of a module from elsewhere.

    A tape-out has the analog macro and its digital wrapper here; latency and throughput are
    theirs: all streams may wait. The module's ports are ``clk``, ``rst`` and the macro's own by
    the names Amaranth gives them in Verilog (``i_acts__valid``, ...).

    Parameters
    ----------
    shape : MacroShape
    module : str
        Its name.
    """

    def __init__(self, shape: MacroShape, module: str = "cim_macro") -> None:
        self.shape = shape
        self.module = module
        super().__init__(MacroSignature(shape))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ports: dict[str, object] = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
        for path, member, value in self.signature.flatten(self):
            # A structure is one vector in Verilog.
            ports[f"{member.flow.name[0].lower()}_{'__'.join(path)}"] = Value.cast(value)
        m.submodules.macro = Instance(self.module, **ports)
        return m
