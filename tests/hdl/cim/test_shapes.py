"""Random small macros against the golden, at the ends of every parameter's range too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hdl.cim.macro import Macro
from hdl.cim.shape import MacroShape
from models.cim.cim_spec import CimSpec, Decomposition
from models.cim.die import make_die
from models.cim.physics import Physics
from tests.support.hdl.amaranth_cycles import simulate
from tests.support.hdl.macro_products import compare, job_round, random_job, random_window

pytestmark = pytest.mark.slow


def random_shape(rng: np.random.Generator) -> MacroShape:
    """A macro of a few columns."""

    def draw(low: int, high: int) -> int:
        return int(rng.integers(low, high + 1))

    decomposition = rng.choice(np.array(list(Decomposition)))
    bit_serial = decomposition is Decomposition.BIT_SERIAL
    lanes, entries, cells = draw(1, 3), draw(1, 3), draw(1, 2)
    units = lanes * entries + draw(0, 2)
    act_bits = draw(1, 5)
    spec = CimSpec(
        rows=units * cells,
        columns=draw(1, 6),
        cells_per_unit=cells,
        group=lanes * entries,
        decomposition=decomposition,
        weight_bits=draw(2, 3),
        cell_bits=1 if bit_serial else draw(1, 3),
        act_bits=act_bits,
        dac_bits=draw(1, act_bits),
        adc_bits=draw(1, 6),
        fraction=int(rng.choice([0, 1, 5])),
        zero_skip=bool(rng.random() < 0.5),
        physics=Physics(bow_lsb=float(rng.choice([0.0, 0.7])), mismatch_percent_um=5.0),
    )
    paired = decomposition is Decomposition.POLARISED and bool(rng.random() < 0.5)
    return MacroShape(
        spec=spec,
        lanes=lanes,
        tiles=draw(1, 3) * (1 + paired),
        paired=paired,
        banks=draw(1, 2),
        calibrated=bool(rng.random() < 0.4),
        trimmed=bool(rng.random() < 0.4),
    )


@pytest.mark.parametrize("seed", range(24))
def test_shapes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = random_shape(rng)
    while shape.slices > shape.spec.columns:
        shape = random_shape(rng)
    window = random_window(rng, shape.spec)
    die = make_die(shape.spec, seed)
    job = random_job(rng, shape, die, vectors=int(rng.integers(1, 7)), window=window)
    one, want = job_round(shape, job, load_die=True)
    macro = Macro(shape)
    got: list[int] = []

    async def bench(ctx: Any) -> None:
        ports = {name: getattr(macro, name) for name in one.inputs}
        waiting = {name: list(items) for name, items in one.inputs.items()}
        offered = dict.fromkeys(ports, False)
        for _ in range(100_000):
            for name, port in ports.items():
                offered[name] = bool(waiting[name]) and (offered[name] or rng.random() < 0.8)
                ctx.set(port.valid, offered[name])
                if offered[name]:
                    item = port.payload.shape().from_bits(waiting[name][0])
                    ctx.set(port.payload, item)
            ready = rng.random() < 0.7
            ctx.set(macro.o.ready, ready)
            for name, port in ports.items():
                if offered[name] and ctx.get(port.ready):
                    waiting[name].pop(0)
                    offered[name] = False
            if ready and ctx.get(macro.o.valid):
                got.append(ctx.get(macro.o.payload.as_value()))
            await ctx.tick()
            if len(got) == len(want):
                break

    simulate(macro, bench)
    compare(shape, job, got, want, f"seed {seed}, {shape}")
