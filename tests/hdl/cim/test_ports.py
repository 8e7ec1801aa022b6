"""The black box has the macro's ports; a macro may have its die from the start."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hdl.cim.black_box import BlackBox
from hdl.cim.macro import Macro
from hdl.cim.records import Records
from hdl.cim.shape import MacroShape
from hdl.emit import emit
from models.cim.cim_spec import CimSpec
from models.cim.decompose import weight_slices
from models.cim.die import make_die
from models.cim.golden.adc import Window, full_range, registers
from models.cim.golden.macro import dot_product
from models.cim.golden.weight_layout import When
from models.cim.physics import Physics
from models.cim.presets import find_preset
from tests.support.hdl.amaranth_cycles import simulate

pytestmark = pytest.mark.slow

SMALL = CimSpec(rows=8, columns=6, weight_bits=3, act_bits=3, adc_bits=4)


def ports(verilog: str, module: str) -> dict[str, str]:
    """Ports of a module: direction and width by name."""
    text = verilog[verilog.index(f"module {module}(") :]
    text = text[: text.index("endmodule")]
    found = re.findall(r"^  (input|output) (\[\d+:0\] )?(\S+?) ?;", text, re.MULTILINE)
    return {name: f"{direction} {width}".strip() for direction, width, name in found}


@pytest.mark.parametrize("preset", ["forms", "cap-ram", "small"])
def test_black_box_has_the_ports_of_the_macro(preset: str) -> None:
    spec = SMALL if preset == "small" else find_preset(preset, columns=3)
    shape = MacroShape(spec=spec)
    macro = ports(emit(Macro(shape), "cim_macro"), "cim_macro")
    text = emit(BlackBox(shape), "wrapper")
    assert ports(text, "wrapper") == macro
    instance = text[text.index("cim_macro macro (") :]
    joined = dict(re.findall(r"\.(\w+)\((\w+)\)", instance[: instance.index(");")]))
    assert joined == {name: name for name in macro}


def test_die_in_the_initial_contents() -> None:
    """No table of the die is loaded: only registers of the layer."""
    seed = 5
    rng = np.random.default_rng(seed)
    shape = MacroShape(spec=SMALL, lanes=4)
    die = make_die(SMALL, 77)
    window = full_range(SMALL)
    when = When(tokens=3, run=9, first=1000)
    w, x = rng.integers(-4, 4, (2, 8)), rng.integers(0, 8, (6, 8))
    want = dot_product(x, w, die=die, window=window, when=when).values.reshape(-1).tolist()
    slices = weight_slices(w, SMALL)
    records = Records(shape)
    config = records.window(registers(die, window))
    config.append(
        records.layer(window, when, vectors=6, slices=len(slices.factors), outputs=2)
    )  # fmt: skip
    macro = Macro(shape, die)
    got: list[int] = []

    async def bench(ctx: Any) -> None:
        for port, items in (
            (macro.i_config, config),
            (macro.i_weights, records.weights(slices, 0, 2)),
            (macro.i_acts, records.acts(x)),
        ):
            for item in items:
                ctx.set(port.payload, port.payload.shape().from_bits(item))
                ctx.set(port.valid, 1)
                ctx.set(macro.o.ready, 1)
                while not ctx.get(port.ready):
                    if ctx.get(macro.o.valid):
                        got.append(ctx.get(macro.o.payload.value))
                    await ctx.tick()
                if ctx.get(macro.o.valid):
                    got.append(ctx.get(macro.o.payload.value))
                await ctx.tick()
            ctx.set(port.valid, 0)
        for _ in range(400):
            if ctx.get(macro.o.valid):
                got.append(ctx.get(macro.o.payload.value))
            await ctx.tick()

    simulate(macro, bench)
    assert got == want, f"seed {seed}, die {die.seed}: got {got}, want {want}"


def test_errors() -> None:
    with pytest.raises(ValueError, match="lanes must be a divisor of the macro's depth 8, not 3"):
        MacroShape(spec=SMALL, lanes=3)
    with pytest.raises(ValueError, match="banks must be 1 or 2, not 3"):
        MacroShape(spec=SMALL, banks=3)
    with pytest.raises(ValueError, match="tiles must be at least 0, not -1"):
        MacroShape(spec=SMALL, tiles=-1)
    with pytest.raises(ValueError, match="tiles of a paired macro must be even, not 3"):
        MacroShape(spec=SMALL, tiles=3, paired=True)
    shape = MacroShape(spec=SMALL)
    with pytest.raises(ValueError, match="die must be of the macro's spec"):
        Macro(shape, make_die(find_preset("forms"), 1))
    records = Records(shape)
    with pytest.raises(ValueError, match="ADC step must be 0 to 32767, not 40000"):
        records.layer(Window(step=40000), When(tokens=1), vectors=1, slices=1, outputs=1)
    wide = registers(make_die(SMALL, 1), Window(step=1 << 20))
    with pytest.raises(ValueError, match="threshold register must be -32768 to 32767, not"):
        records.window(wide)
    bent = replace(registers(make_die(SMALL, 1), full_range(SMALL)), bow=np.ones(16, np.int64))
    with pytest.raises(ValueError, match="macro must be trimmed for registers with a bow"):
        records.window(bent)
    rough = CimSpec(
        rows=8,
        columns=6,
        weight_bits=3,
        act_bits=3,
        physics=Physics(mismatch_percent_um=80.0, density_ff_um2=8.0),
    )
    with pytest.raises(ValueError, match="capacitor must be 0 to 511, not"):
        Records(MacroShape(spec=rough)).die(make_die(rough, 1))
