"""Proofs: instances of vendor's cells equal their twins; packed fields come apart exactly."""

from __future__ import annotations

from pathlib import Path

import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.lib.wiring import Component, In, Out

from hdl.rows.carry_add import carry_add
from hdl.rows.dsp import DspMultiplyAdd
from hdl.rows.lut import lut
from hdl.rows.pair_mux import pair_mux
from tests.support.hdl.formal import prove_equal, prove_unequal

OWN_MODEL = (Path(__file__).parents[2] / "support" / "hdl" / "dsp48e2.v").read_text()
SIMULATED = (Path(__file__).parents[3] / "sim" / "verilog" / "xilinx.v").read_text()
"""The models that whole machines are simulated with."""


class Adder(Component):
    """:func:`hdl.rows.carry_add.carry_add` of operands of any width."""

    def __init__(self, family: str, bits: int, other: int) -> None:
        self.family, self.bits = family, bits
        operands = {"direct": In(signed(bits)), "other": In(signed(other)), "carry": In(1)}
        super().__init__({**operands, "o": Out(signed(bits))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        total = carry_add(m, self.family, self.direct, self.other, self.carry, self.bits)
        m.d.comb += self.o.eq(total)
        return m


class Doubler(Component):
    """:func:`hdl.rows.pair_mux.pair_mux`."""

    def __init__(self, family: str, bits: int) -> None:
        self.family = family
        ports = {"double": In(1), "number": In(signed(bits)), "o": Out(signed(bits + 1))}
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.o.eq(pair_mux(m, self.family, self.double, self.number))
        return m


@pytest.mark.parametrize("cascade", [False, True])
def test_dsp48e1_is_its_twin(cascade: bool, tmp_path: Path) -> None:
    """For every sequence of operands, enables and resets, by Yosys' model of the slice."""
    twin = DspMultiplyAdd("generic", cascade=cascade, width=25)
    prove_equal(twin, DspMultiplyAdd("xc7", cascade=cascade), tmp_path, steps=6)


@pytest.mark.parametrize("cascade", [False, True])
def test_dsp48e2_is_its_twin(cascade: bool, tmp_path: Path) -> None:
    """As above, but by our own reading of the user guide: see ``dsp48e2.v``."""
    (tmp_path / "dsp48e2.v").write_text(OWN_MODEL)
    twin = DspMultiplyAdd("generic", cascade=cascade)
    prove_equal(
        twin, DspMultiplyAdd("xcup", cascade=cascade), tmp_path, models=["dsp48e2.v"], steps=6
    )


def test_own_model_agrees_with_the_other_slice(tmp_path: Path) -> None:
    """The same reading of modes, cut to the older slice's width, is Yosys' model of that one."""
    text = OWN_MODEL.replace("DSP48E2", "DSP48E1").replace("26:0", "24:0").replace("27'd0", "25'd0")
    text = text.replace("44:0", "42:0").replace("[8:0] OPMODE", "[6:0] OPMODE")
    text = text.replace("OPMODE[8:7] == 2'b00 && ", "").replace('AMULTSEL = "A"', 'AMULTSEL = "AD"')
    text = text.replace("parameter USE_MULT", 'parameter USE_DPORT = "FALSE", USE_MULT')
    (tmp_path / "cut.v").write_text(text)
    for cascade in (False, True):
        twin = DspMultiplyAdd("generic", cascade=cascade, width=25)
        gate = DspMultiplyAdd("xc7", cascade=cascade)
        prove_equal(twin, gate, tmp_path, models=["cut.v"], steps=6)


@pytest.mark.parametrize(("family", "width"), [("xc7", 25), ("xcup", 27)])
@pytest.mark.parametrize("cascade", [False, True])
def test_simulated_slices_are_their_twins(
    family: str, width: int, cascade: bool, tmp_path: Path
) -> None:
    (tmp_path / "xilinx.v").write_text(SIMULATED)
    twin = DspMultiplyAdd("generic", cascade=cascade, width=width)
    gate = DspMultiplyAdd(family, cascade=cascade)
    prove_equal(twin, gate, tmp_path, models=["xilinx.v"], steps=6)


class Majority(Component):
    """:func:`hdl.rows.lut.lut` of five inputs."""

    def __init__(self, family: str) -> None:
        self.family = family
        super().__init__({"i": In(5), "o": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.o.eq(lut(m, self.family, lambda *bits: sum(bits) > 2, list(self.i)))
        return m


@pytest.mark.parametrize("model", ["+/xilinx/cells_sim.v", "xilinx.v"])
def test_a_lut_by_its_function(model: str, tmp_path: Path) -> None:
    (tmp_path / "xilinx.v").write_text(SIMULATED)
    prove_equal(Majority("generic"), Majority("xc7"), tmp_path, models=[model])


def test_a_lut_has_six_inputs() -> None:
    with pytest.raises(ValueError, match="^inputs of a LUT must be at most 6, not 7$"):
        lut(Module(), "generic", any, [Signal()] * 7)


@pytest.mark.parametrize("family", ["xc7", "xcup"])
def test_simulated_carries_and_luts_are_their_twins(family: str, tmp_path: Path) -> None:
    (tmp_path / "xilinx.v").write_text(SIMULATED)
    prove_equal(Adder("generic", 17, 14), Adder(family, 17, 14), tmp_path, models=["xilinx.v"])
    prove_equal(Doubler("generic", 9), Doubler(family, 9), tmp_path, models=["xilinx.v"])


@pytest.mark.parametrize("model", ["+/xilinx/cells_sim.v", "dsp48e2.v"])
def test_a_wrong_instance_is_refuted(model: str, tmp_path: Path) -> None:
    """The proofs above are no empty ones: a slice that ignores the cascade is found out."""
    (tmp_path / "dsp48e2.v").write_text(OWN_MODEL)
    family, width = ("xcup", 27) if model == "dsp48e2.v" else ("xc7", 25)
    twin = DspMultiplyAdd("generic", cascade=True, width=width)
    gate = DspMultiplyAdd(family, cascade=False)
    prove_unequal(twin, gate, tmp_path, models=[model], steps=6)


@pytest.mark.parametrize("family", ["xc7", "xcup"])
@pytest.mark.parametrize(("bits", "other"), [(1, 1), (4, 4), (9, 9), (17, 14), (24, 20)])
def test_carry_chain_is_an_adder(family: str, bits: int, other: int, tmp_path: Path) -> None:
    prove_equal(Adder("generic", bits, other), Adder(family, bits, other), tmp_path)


@pytest.mark.parametrize("family", ["xc7", "xcup"])
@pytest.mark.parametrize("bits", [2, 3, 4, 8, 9])
def test_two_bits_in_one_lut(family: str, bits: int, tmp_path: Path) -> None:
    prove_equal(Doubler("generic", bits), Doubler(family, bits), tmp_path)
