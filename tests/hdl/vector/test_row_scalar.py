"""Row scalars: mean and variance of real rows, row functions over all values, both manners."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from hdl.descriptors import struct
from hdl.units.load_unit import TABLE_WRITE
from models.numerics.rescale import Integers, Rounding, shift_right
from models.ops.row_function import (
    ROW_TABLE_ENTRIES,
    VALUE_BITS,
    RowFunction,
    Segment,
    row_function,
)
from models.program.layout import ROW_ENTRIES, VECTOR, VectorOp
from tests.support.hdl.lanes import RowScalarBench
from tests.support.hdl.plan import bits, check, run_plan, terms
from tests.support.specs import ODD

CHANNELS = (1, 2, 3, 7, 64, 192, 1000, 4096)
MOST = (1 << VALUE_BITS) - 1


@dataclass
class Rows:
    """A descriptor, the sums of some rows, and what must come of them."""

    fields: dict[str, int]
    total: Integers
    squares: Integers
    mean: Integers
    value: Integers


def norm_rows(rng: np.random.Generator, channels: int) -> Rows:
    """Sums of real rows: any, flat ones, ends of 18 bits; the variance by its definition."""
    low, high = -(1 << 17), (1 << 17) - 1
    rows = [
        rng.integers(low // 2, high // 2, channels),
        rng.integers(-128, 128, channels) << 8,
        rng.integers(-3, 4, channels) + 1000,
        np.full(channels, low // 2),
        np.full(channels, high // 2),
        np.where(np.arange(channels) % 2, low // 2, high // 2),
        np.zeros(channels, dtype=np.int64),
        np.eye(1, channels, channels // 2, dtype=np.int64)[0] * (high // 2),
    ]
    x = np.array(rows)
    shift = 16 + int(np.log2(channels))
    factor = int(np.rint(2.0**shift / channels))
    fields = {"op": VectorOp.LAYER_NORM, "channels": channels, "mean_multiplier": factor,
              "mean_shift": shift}  # fmt: skip
    mean = shift_right(x.sum(1) * factor, shift, Rounding.HALF_UP)
    centred = x - mean[:, None]
    return Rows(fields, x.sum(1), (x * x).sum(1), mean, (centred * centred).sum(1))


def all_values(rng: np.random.Generator, bits_: int, count: int) -> Integers:
    """Numbers of every length, the ends of each length included."""
    power = 1 << np.arange(bits_)
    any_ = rng.integers(0, 1 << bits_, count) >> rng.integers(0, bits_, count)
    return np.concatenate([[0], power, 2 * power - 1, np.maximum(power - 2, 0), any_])


def variance_rows(values: Integers) -> Rows:
    """Any variance at all: with a mean of zero it is the sum of squares."""
    fields = {"op": VectorOp.LAYER_NORM, "channels": 5, "mean_multiplier": 0, "mean_shift": 1}
    zero = np.zeros_like(values)
    return Rows(fields, zero, values, zero, values)


def softmax_rows(values: Integers) -> Rows:
    """Any sum of exponentials; the mean is of no meaning."""
    zero = np.zeros_like(values)
    return Rows({"op": VectorOp.SOFTMAX}, values, zero, zero, values)


def floating(rng: np.random.Generator, table: Integers, base: int) -> tuple[RowFunction, int]:
    """A floating function, even or not, its offset anything."""
    offset = int(rng.choice([0, 1, -5, 12345, -(1 << 30), (1 << 47) - 1, -(1 << 47)]))
    first = Segment(offset=offset, shift=0, last=0, out_shift=int(rng.choice([0, 3, 14])))
    function = RowFunction(
        table=table[base : base + ROW_TABLE_ENTRIES],
        first=first,
        floating=True,
        even=bool(rng.integers(2)),
    )
    return function, base


def linear(rng: np.random.Generator, table: Integers, base: int) -> tuple[RowFunction, int]:
    """One segment or two, of any place, size and shift."""

    def segment(start: int) -> Segment:
        return Segment(
            offset=int(rng.choice([0, -1000, 77, 1 << 40, -(1 << 47)])),
            shift=int(rng.choice([0, 1, 10, 20, 38, 47])),
            last=int(rng.choice([0, 63, 511])),
            base=start,
            out_shift=int(rng.choice([0, 18, 20, 62])),
        )

    second = segment(int(rng.choice([512, 300]))) if rng.random() < 0.7 else None
    function = RowFunction(
        table=table[base : base + ROW_TABLE_ENTRIES],
        first=segment(int(rng.choice([0, 100]))),
        second=second,
    )
    return function, base


def fields_of(function: RowFunction, base: int) -> dict[str, int]:
    """The row part of a descriptor."""
    first, second = function.first, function.second
    fields = {
        "row_floating": int(function.floating),
        "row_even": int(function.even),
        "row_base": base + first.base,
        "row_offset": first.offset,
        "row_shift": first.shift,
        "row_last": first.last,
        "row_out_shift": first.out_shift,
    }
    if second is not None:
        fields |= {
            "row_two": 1,
            # Modulo 2**11, as the field is: the second segment may lie below the first.
            "row2_base": (second.base - first.base) % ROW_ENTRIES,
            "row2_offset": second.offset,
            "row2_shift": second.shift,
            "row2_last": second.last,
            "row2_out_shift": second.out_shift,
        }
    return fields


@pytest.mark.parametrize("seed", [1, 2])
def test_rows(seed: int, simulators: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 1 << 16, ROW_ENTRIES)
    table[[0, ROW_TABLE_ENTRIES - 1, ROW_ENTRIES - 1]] = (0xFFFF, 0, 0xFFFF)
    batches = [norm_rows(rng, channels) for channels in CHANNELS]
    batches += [variance_rows(all_values(rng, VALUE_BITS, 60)) for _ in range(4)]
    batches += [softmax_rows(all_values(rng, 31, 60)) for _ in range(6)]
    bench = RowScalarBench(ODD)
    configs, items, want = [], [], []
    for number, batch in enumerate(batches):
        base = int(rng.choice([0, 500, ROW_ENTRIES - ROW_TABLE_ENTRIES]))
        make = (floating, linear)[number % 2]
        function, base = make(rng, table, base)
        entry, shift = row_function(batch.value, function)
        configs.append(bits(struct(VECTOR), {**batch.fields, **fields_of(function, base)}))
        rows = rng.integers(0, ODD.row_group, len(entry)).tolist()
        for index, row in enumerate(rows):
            sums = {"row": row, "total": int(batch.total[index]),
                    "squares": int(batch.squares[index])}  # fmt: skip
            last = int(index == len(rows) - 1)
            items.append(bits(bench.sums, {"sums": sums, "last": last}))
            result = {"row": row, "mean": int(batch.mean[index]), "entry": int(entry[index]),
                      "shift": int(shift[index])}  # fmt: skip
            want.append(result)
    writes = [
        bits(TABLE_WRITE, {"function": 0, "row": 1, "entry": e, "value": int(v)})
        for e, v in enumerate(table)
    ]
    got = run_plan(
        bench,
        "row_scalar_bench",
        simulators,
        tmp_path,
        inputs={"i_tables": writes, "i_config": configs, "i": items},
        outputs={"o": len(items)},
        after={"i_config": ["i_tables"]},
        seed=seed,
    )
    softmax = sum(len(b.value) for b in batches if b.fields["op"] == VectorOp.SOFTMAX)
    split = len(items) - softmax
    layout = bench.result
    check(
        got["o"][:split], [bits(layout, w) for w in want[:split]], "layer norm rows", seed, layout
    )
    for index, (item, one) in enumerate(zip(got["o"][split:], want[split:], strict=True)):
        result = {**terms(layout, item), "mean": 0}
        assert result == one, f"softmax row {index}: got {result}, want {one} (seed {seed})"
