"""Cycles of the emulated macro, as :func:`hdl.cim.timing.cycles` states them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hdl.cim.macro import Macro
from hdl.cim.records import Records, pack
from hdl.cim.shape import MacroShape, Write
from hdl.cim.timing import cycles, tiles_of
from models.cim.cim_spec import CimSpec, Decomposition
from models.cim.decompose import paired_weights, weight_slices
from models.cim.golden.adc import Window
from models.cim.golden.weight_layout import When
from tests.support.hdl.amaranth_cycles import simulate

pytestmark = pytest.mark.slow

SHAPES = {
    "conversions": MacroShape(
        spec=CimSpec(rows=6, columns=4, weight_bits=2, act_bits=3, adc_bits=5), lanes=3, tiles=3
    ),
    "sums": MacroShape(
        spec=CimSpec(rows=24, columns=6, weight_bits=3, act_bits=2, dac_bits=2, adc_bits=2),
        lanes=2,
        tiles=2,
        calibrated=True,
    ),
    "skips": MacroShape(
        spec=CimSpec(
            rows=4,
            columns=6,
            weight_bits=3,
            act_bits=6,
            adc_bits=3,
            cell_bits=2,
            decomposition=Decomposition.POLARISED,
            zero_skip=True,
        ),
        lanes=2,
        tiles=4,
    ),
    "pairs": MacroShape(
        spec=CimSpec(
            rows=4,
            columns=4,
            weight_bits=3,
            act_bits=5,
            adc_bits=2,
            decomposition=Decomposition.POLARISED,
            zero_skip=True,
        ),
        lanes=2,
        tiles=6,
        paired=True,
    ),
    "results": MacroShape(
        spec=CimSpec(
            rows=4,
            columns=10,
            weight_bits=2,
            act_bits=2,
            dac_bits=2,
            adc_bits=2,
            decomposition=Decomposition.NATIVE,
        ),
        lanes=4,
        tiles=2,
        calibrated=True,
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_cycles(name: str) -> None:
    """Layers of random depth, runs and zeros: each takes exactly as long as stated."""
    shape, seed = SHAPES[name], 3
    spec = shape.spec
    rng = np.random.default_rng(seed)
    records = Records(shape)
    layers: list[tuple[list[int], list[int], int, int]] = []
    for _ in range(7):
        k = int(rng.integers(1, shape.depth + 1))
        tokens, runs = (int(n) for n in rng.integers(1, 4, 2))
        x = rng.integers(0, 1 << spec.act_bits, (tokens * runs, k))
        x >>= rng.integers(0, spec.act_bits + 1, (len(x), 1))
        w = rng.integers(0, 1 << spec.weight_bits - 1, (spec.columns, k))
        if shape.paired:
            w = paired_weights(w - (1 << spec.weight_bits - 2), spec.depth)
        slices = weight_slices(w, spec)
        count = len(slices.factors)
        outs = int(rng.integers(1, spec.columns // count + 1))
        record = records.layer(
            Window(step=1), When(tokens=tokens), vectors=len(x), slices=count, outputs=outs
        )
        want = cycles(
            shape, [tiles_of(shape, v) for v in x], slices=count, outputs=outs, tokens=tokens
        )
        layers.append((records.weights(slices, 0, outs), records.acts(x), record, want))

    macro = Macro(shape)

    async def bench(ctx: Any) -> None:
        # To the checker a member of an Amaranth enumeration is its number.
        nothing = pack(shape.config(), kind=Write.DIE.value)  # type: ignore[attr-defined]

        async def put(port: Any, items: list[int]) -> None:
            for item in items:
                ctx.set(port.payload, port.payload.shape().from_bits(item))
                ctx.set(port.valid, 1)
                while not ctx.get(port.ready):
                    await ctx.tick()
                await ctx.tick()
            ctx.set(port.valid, 0)

        ctx.set(macro.o.ready, 1)
        for number, (weights, acts, record, want) in enumerate(layers):
            await put(macro.i_weights, weights)
            waiting = list(acts)
            taken = -1
            # Activations first, as many as there is room for; then the record.
            for cycle in range(100_000):
                offered = cycle >= 2 * shape.entries + 2
                item = record if taken < 0 else nothing
                ctx.set(macro.i_config.payload, shape.config().from_bits(item))
                ctx.set(macro.i_config.valid, offered)
                ctx.set(macro.i_acts.valid, bool(waiting))
                if waiting:
                    ctx.set(macro.i_acts.payload, shape.acts().from_bits(waiting[0]))
                    if ctx.get(macro.i_acts.ready):
                        waiting.pop(0)
                if offered and ctx.get(macro.i_config.ready):
                    if taken >= 0:
                        break
                    taken = cycle
                await ctx.tick()
            got = cycle - taken
            assert got == want, f"{name}, layer {number} (seed {seed}): {got} cycles, want {want}"
            await ctx.tick()

    simulate(macro, bench)
