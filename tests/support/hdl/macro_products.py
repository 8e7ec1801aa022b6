"""Products of the golden macro as rounds of stream items for the RTL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hdl.cim.macro import result_layout
from hdl.cim.records import Records, pack
from hdl.cim.shape import MacroShape
from models.cim.cim_spec import CimSpec, Decomposition
from models.cim.decompose import paired_acts, paired_weights, polarise, weight_slices
from models.cim.die import Die, make_die
from models.cim.golden.adc import Trim, Window, full_range, registers, unit_step
from models.cim.golden.macro import dot_product
from models.cim.golden.weight_layout import DECODE_BITS, When
from tests.support.hdl.plan import Round


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """A product, all output tiles of it, and what the golden macro makes of it.

    On a paired macro weights have both signs.
    """

    die: Die
    acts: np.ndarray
    weights: np.ndarray
    window: Window
    when: When
    decode: np.ndarray | None = None
    bias: np.ndarray | None = None
    trim: Trim | None = None
    paired: bool = False

    @property
    def operands(self) -> tuple[np.ndarray, np.ndarray]:
        """Activations and weights as conversions see them."""
        if not self.paired:
            return self.acts, self.weights
        depth = self.die.spec.depth
        return paired_acts(self.acts, depth), paired_weights(self.weights, depth)

    @property
    def slices(self) -> Any:
        return weight_slices(self.operands[1], self.die.spec)

    @property
    def tiles(self) -> list[tuple[int, int]]:
        """Outputs of each output tile."""
        at_once = self.die.spec.columns // len(self.slices.factors)
        outs = len(self.weights)
        return [(o, min(o + at_once, outs)) for o in range(0, outs, at_once)]

    def golden(self) -> np.ndarray:
        return dot_product(
            *self.operands,
            die=self.die,
            window=self.window,
            when=self.when,
            decode=self.decode,
            bias=self.bias,
            trim=self.trim,
        ).values

    def conversions(self) -> int:
        """Conversions whose codes take part in results."""
        spec = self.die.spec
        acts, _ = self.operands
        n, k = acts.shape
        used = len(self.weights) * len(self.slices.factors)
        tiles = -(-k // spec.depth)
        count: int = n * tiles * spec.act_slices * used
        if spec.zero_skip:
            for q in range(spec.act_slices):
                for t in range(tiles):
                    part = acts[:, t * spec.depth : (t + 1) * spec.depth]
                    count -= int((~(part >> q * spec.dac_bits).any(1)).sum()) * used
        return count


Result = tuple[int, int, int, bool]
"""``(vector, output, value, last)``."""


def job_round(shape: MacroShape, job: Job, *, load_die: bool) -> tuple[Round, list[Result]]:
    """Items of a job, and its results in their order."""
    records = Records(shape)
    spec, slices = shape.spec, job.slices
    table = registers(job.die, job.window, job.trim)
    config = records.die(job.die) if load_die else []
    if job.decode is not None:
        config += records.decode(job.decode)
    weights: list[int] = []
    acts: list[int] = []
    want: list[Result] = []
    golden = job.golden()
    k_tiles = -(-job.operands[0].shape[1] // spec.depth)
    for number, (start, stop) in enumerate(job.tiles):
        bias = None
        if job.bias is not None:
            bias = np.zeros(spec.columns, np.int64)
            bias[: stop - start] = job.bias[start:stop] << spec.fraction
        if number == 0 or bias is not None:
            config += records.window(table, bias)
        config.append(
            records.layer(
                job.window,
                job.when,
                vectors=len(job.acts),
                slices=len(slices.factors),
                outputs=stop - start,
                tile=number * k_tiles,
            )
        )
        weights += records.weights(slices, start, stop)
        acts += records.acts(job.acts)
        for n in range(len(job.acts)):
            want += [(n, o, int(golden[n, o]), o == stop - 1) for o in range(start, stop)]
    one = Round(
        inputs={"i_config": config, "i_weights": weights, "i_acts": acts},
        outputs={"o": len(want)},
    )
    return one, want


def compare(shape: MacroShape, job: Job, got: list[Any], want: list[Result], what: str) -> None:
    """Every result, in the terms of the product."""
    layout = result_layout(shape)
    value, last = layout["value"], layout["last"]
    assert len(got) == len(want), f"{what}: {len(got)} results, want {len(want)}"
    for index, (word, (n, o, y, end)) in enumerate(zip(got, want, strict=True)):
        item = pack(layout, **word) if isinstance(word, dict) else word
        seen = item >> value.offset & (1 << value.width) - 1
        seen -= (seen >> value.width - 1) << value.width
        assert seen == y, (
            f"{what}, die {job.die.seed}: vector {n}, output {o} (result {index}): "
            f"got {seen}, want {y}"
        )
        ends = item >> last.offset & 1
        assert ends == end, f"{what}: result {index} has last = {ends}"


def random_job(
    rng: np.random.Generator, shape: MacroShape, die: Die, *, vectors: int, window: Window
) -> Job:
    """Operands of random ranges and shapes; several runs, output tiles and tiles of K."""
    spec: CimSpec = die.spec
    tiles, deepest = shape.tiles, shape.depth
    k = deepest if rng.random() < 0.5 else int(rng.integers(1, deepest + 1))
    top = (1 << spec.weight_bits - 1) - 1
    if spec.weight_bits > 2 and rng.random() < 0.25:
        top >>= 1
    slices = -(-spec.weight_bits // spec.cell_bits) * 2
    outs = int(rng.integers(1, max(2, 2 * spec.columns // slices + 2)))
    w = rng.integers(-top, top + 1, (outs, k))
    low = -top if spec.single_conversion else -top - 1
    w = np.where(rng.random(w.shape) < 0.2, rng.choice([low, top], w.shape), w)
    if spec.decomposition is Decomposition.POLARISED and not shape.paired:
        signs = rng.random((outs, tiles)) < 0.5
        for t in range(tiles):
            part = slice(t * spec.depth, (t + 1) * spec.depth)
            halves = polarise(w[:, part])
            w[:, part] = np.where(signs[:, t, None], halves[0], halves[1])
    high = (1 << spec.act_bits) - 1
    x = rng.integers(0, high + 1, (vectors, k))
    # ReLU's zeros, vectors of small numbers, and of none.
    x = np.where(rng.random(x.shape) < 0.4, 0, x)
    x >>= rng.integers(0, spec.act_bits + 1, (vectors, 1))
    x[rng.random(vectors) < 0.3] = high
    tokens = int(rng.choice([t for t in range(1, vectors + 1) if vectors % t == 0]))
    when = When(
        tokens=tokens, run=int(rng.integers(0, 1 << 20)), first=int(rng.integers(0, 1 << 16))
    )
    decode = None
    if shape.calibrated:
        codes = np.arange(1 << spec.adc_bits) << DECODE_BITS
        decode = codes + rng.integers(-300, 300, (spec.columns, 1 << spec.adc_bits))
    whole = spec.single_conversion and spec.signed and k <= spec.depth
    bias = rng.integers(-20, 20, outs) if whole else None
    trim = random_trim(rng, spec) if shape.trimmed else None
    return Job(
        die=die,
        acts=x,
        weights=w,
        window=window,
        when=when,
        decode=decode,
        bias=bias,
        trim=trim,
        paired=shape.paired,
    )


def random_trim(rng: np.random.Generator, spec: CimSpec) -> Trim:
    """What a calibration might leave."""
    return Trim(
        offset=rng.integers(-(1 << spec.fraction), (1 << spec.fraction) + 1, spec.columns),
        gain=rng.integers(64_000, 67_000, spec.columns),
        bow=rng.integers(-40_000, 40_000, 1 << spec.adc_bits),
    )


def random_window(rng: np.random.Generator, spec: CimSpec) -> Window:
    """The full range, or a window that clips sums, at any offset."""
    if rng.random() < 0.4:
        return full_range(spec)
    full = full_range(spec)
    step = int(rng.integers(max(1, full.step // 4), full.step + 2))
    if spec.signed:
        return Window(step=step, offset=-(step << spec.adc_bits - 1))
    if spec.zero_skip:
        return Window(step=step, offset=step * int(rng.integers(-3, 3)))
    return Window(step=step, offset=int(rng.integers(-2 * step, 3 * step)))


def exact_job(rng: np.random.Generator, shape: MacroShape, seed: int, *, vectors: int) -> Job:
    """No errors, and a window that loses nothing: the product itself comes out."""
    spec = shape.spec
    most = (1 << spec.adc_bits - spec.signed) - 1
    k = min(spec.depth, most // (spec.largest_digit * ((1 << spec.dac_bits) - 1)))
    assert k > 0, "macro has no window without loss"
    top = (1 << spec.weight_bits - 1) - 1
    polarised = spec.decomposition is Decomposition.POLARISED
    outs = spec.columns // shape.slices + 1
    w = rng.integers(0 if polarised else -top - 1, top + 1, (outs, k))
    x = rng.integers(0, 1 << spec.act_bits, (vectors, k))
    codes = np.arange(1 << spec.adc_bits) << DECODE_BITS
    job = Job(
        die=make_die(spec, seed, static=False, dynamic=False),
        acts=x,
        weights=w,
        window=unit_step(spec),
        when=When(tokens=vectors),
        decode=np.tile(codes, (spec.columns, 1)) if shape.calibrated else None,
        paired=shape.paired,
    )
    assert np.array_equal(job.golden(), x @ w.T), f"golden must be exact (seed {seed})"
    return job
