"""Many products through a grid of row blocks, against exact sums of decoded weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hdl.engine.row_grid import RowGrid
from hdl.rows.choose import row_blocks
from models.formats import Fixed, find_format
from tests.support.hdl.plan import run_plan

Integers = NDArray[np.int64]


def run_products(
    classes: Sequence[tuple[str, int]],
    *,
    products: int,
    tokens: int,
    lanes: int,
    act_bits: int,
    seed: int,
    simulators: Path,
    work: Path,
    drain: int | None = None,
) -> None:
    """At least so many products in every row class, all ports stalling at random.

    K loops have random lengths. Operands are random, a third of the codes and of the activations
    of the largest magnitudes; the first loops hold every row class to each of its corner codes
    with activations of both ends, and are as long as the accumulators allow sums to grow.
    """
    case = f"{classes}, tokens {tokens}, lanes {lanes}, {act_bits} bits, seed {seed}"
    print(case)
    rng = np.random.default_rng(seed)
    blocks = row_blocks(classes, family="generic", tokens=tokens, lanes=lanes, act_bits=act_bits)
    rows = sum(count for _, count in classes)
    grid = RowGrid(blocks, acc_bits=36, drain=drain or rows)
    formats = [find_format(name) for name, count in classes for _ in range(count)]
    beats = -(-products // (min(count for _, count in classes) * tokens * lanes))
    lengths: list[int] = []
    while sum(lengths) < beats:
        lengths.append(int(rng.integers(1, 4 * tokens * rows // grid.drain + 4)))
    total = sum(lengths)

    low, high = -(1 << act_bits - 1), (1 << act_bits - 1) - 1
    acts = rng.integers(low, high + 1, (total, tokens, lanes))
    acts = np.where(rng.random(acts.shape) < 0.33, rng.choice([low, high], acts.shape), acts)
    codes = np.zeros((total, rows, lanes), np.int64)
    values = np.zeros_like(codes)
    corners = 16
    for row, book in enumerate(formats):
        # Rows on slices take narrow weights only.
        allowed = np.arange(int(isinstance(book, Fixed)), 1 << book.bits)
        if isinstance(book, Fixed):
            allowed = np.delete(np.arange(1 << book.bits), 1 << book.bits - 1)
        size = np.abs(book.decode(allowed))
        ends = np.concatenate([allowed[size == size.max()], allowed[size == size.min()]])
        chosen = rng.choice(allowed, (total, lanes))
        chosen = np.where(rng.random(chosen.shape) < 0.33, rng.choice(ends, chosen.shape), chosen)
        for beat in range(min(corners, total)):
            chosen[beat] = ends[beat // 2 % len(ends)]
        codes[:, row], values[:, row] = chosen, book.decode(chosen)
    for beat in range(min(corners, total)):
        acts[beat] = (low, high)[beat % 2]

    last = np.zeros((total, 1), np.int64)
    last[np.cumsum(lengths) - 1] = 1
    sent = pack([(acts, act_bits), (codes, grid.weight_bits), (last, 1)])
    sums = np.einsum("ktl,krl->ktr", acts, values)
    ends_at = np.cumsum(lengths)
    partial = np.add.reduceat(sums, np.concatenate([[0], ends_at[:-1]]), axis=0)
    want = pack([(partial.reshape(-1, grid.drain), grid.acc_bits)])
    got: list[int] = run_plan(
        grid,
        "row_grid",
        simulators,
        work,
        inputs={"i": sent},
        outputs={"o": len(want)},
        seed=seed,
        max_cycles=20 * total + 1000,
    )["o"]
    wrong = next((i for i, (a, b) in enumerate(zip(got, want, strict=True)) if a != b), None)
    if wrong is not None:
        loop, part = divmod(wrong, tokens * rows // grid.drain)
        found = unpack(got[wrong], grid.drain, grid.acc_bits)
        expected = partial[loop].reshape(-1, grid.drain)[part].tolist()
        raise AssertionError(f"{case}: loop {loop}, beat {part}: got {found}, want {expected}")


def pack(fields: Sequence[tuple[Integers, int]]) -> list[int]:
    """One integer for each entry of the first axis: elements side by side, first one lowest."""
    columns = []
    for array, bits in fields:
        flat = array.reshape(len(array), -1, 1)
        columns.append((flat >> np.arange(bits) & 1).astype(np.uint8).reshape(len(array), -1))
    lines = np.packbits(np.concatenate(columns, axis=1), axis=1, bitorder="little")
    return [int.from_bytes(line.tobytes(), "little") for line in lines]


def unpack(word: int, count: int, bits: int) -> list[int]:
    """Signed elements of an integer."""
    parts: list[Any] = [word >> i * bits & (1 << bits) - 1 for i in range(count)]
    return [part - (part >> bits - 1 << bits) for part in parts]
