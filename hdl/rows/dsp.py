"""A DSP slice as the array uses it: ``p = pcin + (a + d) * b``, every stage registered."""

from __future__ import annotations

from amaranth.hdl import ClockSignal, Const, Instance, Module, ResetSignal, Signal, signed
from amaranth.lib.wiring import Component, In, Out

from models.cost.dsp_slice import FAMILIES, PORT_WIDTH, RESULT_WIDTH


class DspMultiplyAdd(Component):
    """Pre-adder, multiplier and post-adder with clock enable ``ce``.

    Latency to ``p`` is four cycles from ``a``, ``d`` and ``b``, one from ``pcin``; throughput one
    product per cycle. In a cascade, stage ``l`` takes its operands ``l`` cycles later than stage 0.

    Parameters
    ----------
    family : str
        One of :data:`models.cost.dsp_slice.FAMILIES`.
    cascade : bool
        ``pcin`` comes from another slice over the dedicated cascade; otherwise it is 0.
    width : int
        Bits of the wide port of the simulation model, for comparison with a family's slice.
    """

    def __init__(self, family: str, *, cascade: bool, width: int | None = None) -> None:
        if family not in FAMILIES:
            raise ValueError(f"DSP family must be one of {', '.join(FAMILIES)}, not {family!r}")
        self.family = family
        self.cascade = cascade
        if width is not None and family != "generic":
            raise ValueError(f"width of a {family} slice must be its own, not {width}")
        self.width = width or PORT_WIDTH[family]
        super().__init__(
            {
                "ce": In(1),
                "a": In(signed(self.width)),
                "d": In(signed(self.width)),
                "b": In(signed(18)),
                "pcin": In(signed(RESULT_WIDTH)),
                "pcout": Out(signed(RESULT_WIDTH)),
                "p": Out(signed(RESULT_WIDTH)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self.family == "generic":
            self._twin(m)
        else:
            self._instance(m)
        return m

    def _twin(self, m: Module) -> None:
        a1, d1 = Signal(signed(self.width)), Signal(signed(self.width))
        b1, b2 = Signal(signed(18)), Signal(signed(18))
        sum2 = Signal(signed(self.width))  # the slice's pre-adder wraps as well
        product3 = Signal(signed(self.width + 18))
        with m.If(self.ce):
            m.d.sync += [
                a1.eq(self.a),
                d1.eq(self.d),
                b1.eq(self.b),
                b2.eq(b1),
                sum2.eq(a1 + d1),
                product3.eq(sum2 * b2),
                self.p.eq(product3 + (self.pcin if self.cascade else 0)),
            ]
        m.d.comb += self.pcout.eq(self.p)

    def _instance(self, m: Module) -> None:
        ultrascale = self.family == "xcup"
        control = {
            "i_CLK": ClockSignal(),
            "i_ALUMODE": Const(0, 4),
            "i_CARRYINSEL": Const(0, 3),
            "i_CARRYIN": Const(0, 1),
            "i_CARRYCASCIN": Const(0, 1),
            "i_MULTSIGNIN": Const(0, 1),
            "i_INMODE": Const(0b00100, 5),  # pre-adder: D + A
            "i_C": Const(0, 48),
            "i_ACIN": Const(0, 30),
            "i_BCIN": Const(0, 18),
        }
        z_pcin = 0b0010101 if self.cascade else 0b0000101
        control["i_OPMODE"] = Const(z_pcin, 9 if ultrascale else 7)
        for name in ("A1", "B1", "C", "CTRL", "ALUMODE", "INMODE", "CARRYIN"):
            control[f"i_CE{name}"] = Const(0, 1)
        for name in ("A2", "AD", "B1", "B2", "D", "M", "P"):
            control[f"i_CE{name}"] = self.ce
        for name in ("A", "B", "C", "CTRL", "ALUMODE", "INMODE", "ALLCARRYIN"):
            control[f"i_RST{name}"] = Const(0, 1)
        for name in ("A", "B", "D", "M", "P"):
            control[f"i_RST{name}"] = ResetSignal()
        parameters: dict[str, object] = {
            "p_AREG": 1,
            "p_ACASCREG": 1,
            "p_BREG": 2,
            "p_BCASCREG": 2,
            "p_DREG": 1,
            "p_ADREG": 1,
            "p_MREG": 1,
            "p_PREG": 1,
            "p_CREG": 0,
            "p_OPMODEREG": 0,
            "p_ALUMODEREG": 0,
            "p_INMODEREG": 0,
            "p_CARRYINREG": 0,
            "p_CARRYINSELREG": 0,
            "p_USE_MULT": "MULTIPLY",
            "p_USE_SIMD": "ONE48",
        }
        if ultrascale:
            parameters |= {"p_AMULTSEL": "AD", "p_BMULTSEL": "B", "p_PREADDINSEL": "A"}
        else:
            parameters |= {"p_USE_DPORT": "TRUE"}
        wide_a = Signal(signed(30))
        m.d.comb += wide_a.eq(self.a)
        m.submodules.slice = Instance(
            "DSP48E2" if ultrascale else "DSP48E1",
            **parameters,
            **control,
            i_A=wide_a,
            i_B=self.b,
            i_D=self.d,
            i_PCIN=self.pcin if self.cascade else Const(0, RESULT_WIDTH),
            o_P=self.p,
            o_PCOUT=self.pcout,
        )
