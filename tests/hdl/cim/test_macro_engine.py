"""The macro behind the machine's engine contract, against its golden."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hdl.cim.macro_engine import CimEngine, config_layout
from hdl.cim.records import Records, pack
from hdl.cim.shape import MacroShape
from hdl.engine.contract import accs_layout, acts_layout, weights_layout
from models.cim.cim_spec import CimSpec, Decomposition
from models.cim.decompose import paired_acts, paired_weights, weight_slices
from models.cim.die import make_die
from models.cim.golden.adc import full_range, registers
from models.cim.golden.macro import dot_product
from models.cim.golden.weight_layout import When
from models.cim.presets import find_preset
from tests.support.hdl.plan import Round, bits, run_rounds, terms
from tests.support.specs import MIXED, ODD, SMALL

CASES = {
    "bit-serial": (
        replace(SMALL, depth=48),
        MacroShape(
            spec=CimSpec(rows=16, columns=16, weight_bits=4, adc_bits=5), lanes=4, tiles=3, banks=2
        ),
        4,
    ),
    "differential": (
        replace(ODD, depth=60, rows=3),
        MacroShape(
            spec=CimSpec(
                rows=24,
                columns=13,
                weight_bits=5,
                cell_bits=2,
                act_bits=6,
                dac_bits=3,
                adc_bits=7,
                decomposition=Decomposition.DIFFERENTIAL,
                zero_skip=True,
            ),
            lanes=6,
            tiles=3,
        ),
        4,
    ),
    "polarised": (
        replace(SMALL, depth=20),
        MacroShape(
            spec=CimSpec(
                rows=4,
                columns=8,
                weight_bits=4,
                cell_bits=2,
                act_bits=5,
                adc_bits=4,
                decomposition=Decomposition.POLARISED,
                zero_skip=True,
            ),
            lanes=4,
            tiles=10,
            banks=2,
            paired=True,
        ),
        2,
    ),
    "native": (
        replace(SMALL, depth=24),
        MacroShape(
            spec=CimSpec(
                rows=8,
                columns=4,
                weight_bits=4,
                cell_bits=3,
                act_bits=5,
                dac_bits=5,
                adc_bits=8,
                decomposition=Decomposition.NATIVE,
            ),
            lanes=4,
            tiles=3,
            banks=2,
        ),
        1,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_layers(name: str, simulators: Path, tmp_path: Path) -> None:
    """Layers of several weight tiles; entries in any order; the last group is not full."""
    spec, shape, slices = CASES[name]
    cim, seed = shape.spec, 4
    rng = np.random.default_rng(seed)
    records = Records(shape)
    config_of = config_layout(spec, shape)
    rounds, wants = [], []
    for number in range(5):
        die = make_die(cim, 40 + number)
        window = full_range(cim)
        beats = int(rng.integers(1, spec.depth_entries + 1))
        k, tokens, tiles = beats * spec.lanes, int(rng.integers(1, 3 * spec.tokens)), 3
        groups = -(-tokens // spec.tokens)
        first, run = int(rng.integers(0, 1000)), int(rng.integers(0, 50))
        offset = int(rng.integers(0, 40))
        x = rng.integers(-offset, (1 << cim.act_bits) - offset, (groups * spec.tokens, k))
        x = np.where(rng.random(x.shape) < 0.5, -offset, x)
        x[rng.random(len(x)) < 0.3] = -offset
        top = 1 << cim.weight_bits - 1
        config = [*records.die(die), *records.window(registers(die, window))]
        config = [pack(config_of, item=item) for item in config]
        weights: list[int] = []
        acts: list[int] = []
        want: list[list[int] | None] = []
        times = 1 + shape.paired
        k_tiles = times * -(-k // cim.depth)
        # What fills up counts as zero where zeros are skipped: memory holds anything there.
        period = spec.lanes * int(rng.choice([n for n in range(1, beats + 1) if beats % n == 0]))
        valid = int(rng.integers(1, period + 1))
        used = np.arange(k) % period < valid if cim.zero_skip else np.ones(k, bool)
        seen = np.where(used, x + offset, 0)
        seen = paired_acts(seen, cim.depth) if shape.paired else seen
        for tile in range(tiles):
            w = rng.integers(1 - top, top, (spec.rows, k))
            w[:, rng.random(k) < 0.2] = 0
            w[0, 0] = -top if cim.decomposition is Decomposition.BIT_SERIAL else top - 1
            both = paired_weights(w, cim.depth) if shape.paired else w
            assert len(weight_slices(both, cim).factors) == slices
            when = When(tokens=tokens, run=run, first=first)
            record = records.layer(
                window, when, vectors=len(x), slices=slices, outputs=spec.rows, tile=tile * k_tiles
            )
            filling = {"period": period, "valid": valid} if cim.zero_skip else {}
            config.append(pack(config_of, item=record, offset=offset, **filling))
            places = [(r, e) for r in range(spec.rows) for e in range(beats)]
            rng.shuffle(places)
            for index, (r, e) in enumerate(places):
                values = w[r, e * spec.lanes : (e + 1) * spec.lanes].tolist()
                last = int(index == len(places) - 1)
                item = {"row": r, "entry": e, "values": values, "last": last}
                weights.append(bits(weights_layout(spec), item))
            at = replace(when, first=first + tile * k_tiles * tokens * cim.act_slices)
            golden = dot_product(seen[:tokens], both, die=die, window=window, when=at).values
            for group in range(groups):
                vectors = x[group * spec.tokens : (group + 1) * spec.tokens]
                for e in range(beats):
                    values = vectors[:, e * spec.lanes : (e + 1) * spec.lanes].tolist()
                    last = int(e == beats - 1)
                    release = last & int(group == groups - 1)
                    item = {"values": values, "last": last, "release": release}
                    acts.append(bits(acts_layout(spec), item))
            for token in range(len(x)):
                for row in range(0, spec.rows, spec.vector_lanes):
                    part = slice(row, row + spec.vector_lanes)
                    # What only fills the group up has no golden.
                    want.append(golden[token, part].tolist() if token < tokens else None)
        inputs = {"i_config": config, "i_weights": weights, "i_acts": acts}
        rounds.append(Round(inputs=inputs, outputs={"o_accs": len(want)}))
        wants.append(want)
    engine = CimEngine(spec, shape, slices=slices)
    results = run_rounds(engine, "cim_engine", simulators, tmp_path, rounds, seed=seed)
    for number, (got, want) in enumerate(zip(results, wants, strict=True)):
        for index, (word, values) in enumerate(zip(got["o_accs"], want, strict=True)):
            seen = terms(accs_layout(spec), word)
            assert values is None or seen == values, (
                f"{name}, round {number}, beat {index} (seed {seed}, die {40 + number}): "
                f"got {seen}, want {values}"
            )


def test_errors() -> None:
    machine, shape, _ = CASES["bit-serial"]
    with pytest.raises(ValueError, match="columns must be at least 4 rows of 4 slices, not 15"):
        CimEngine(machine, replace(shape, spec=replace(shape.spec, columns=15)))
    with pytest.raises(ValueError, match="tiles must hold a depth of 48, not 32"):
        CimEngine(machine, replace(shape, tiles=2))
    with pytest.raises(ValueError, match="slices must be 1 to 4, not 5"):
        CimEngine(machine, shape, slices=5)
    with pytest.raises(ValueError, match="lanes must be the machine's 4, not 8"):
        CimEngine(machine, replace(shape, lanes=8))
    forms = MacroShape(spec=find_preset("forms"), lanes=4, tiles=12, paired=True)
    with pytest.raises(ValueError, match="lanes must be the polarised fragment's 8 rows, not 4"):
        CimEngine(machine, forms)
    with pytest.raises(ValueError, match="polarised macro of an engine must be paired, not single"):
        CimEngine(machine, replace(forms, paired=False))
    with pytest.raises(ValueError, match="paired macro must be polarised, not bit-serial"):
        CimEngine(machine, replace(shape, tiles=6, paired=True))
    with pytest.raises(ValueError, match="machine must be without row classes"):
        CimEngine(MIXED, shape)
