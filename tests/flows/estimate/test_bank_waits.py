"""Accesses to banks, and copies that wait for them."""

from __future__ import annotations

import numpy as np

from flows.estimate.cycles.bank_accesses import banks_of, matrix_reads, vector_reads, vector_writes
from flows.estimate.cycles.bank_waits import Others
from models.program.layout import VectorOp
from tests.support.specs import SMALL

WALK = {
    "tokens": 6, "base": 1020, "width": 3, "in_height": 2, "in_width": 4, "start_y": 0,
    "start_x": 0, "stride_y": 1, "stride_x": 1, "dilation_y": 1, "dilation_x": 1, "kernel_y": 1,
    "kernel_x": 2, "words": 1, "token_step": 1, "line_step": 2, "tap_step": 1, "tap_line_step": 0,
}  # fmt: skip


def at(cycle: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.array([cycle])


def test_words_of_a_range() -> None:
    assert banks_of(SMALL, 1000, 100).tolist() == [24, 76]
    assert banks_of(SMALL, 0, 2048).tolist() == [1024, 1024]


def test_matrix_reads_are_those_of_the_walk() -> None:
    """Two lines of four words on both sides of a bank's end; two taps."""
    assert matrix_reads(SMALL, WALK).tolist() == [6, 6]
    # To the left of the image there is padding: two of the reads are of address 0.
    outside = {**WALK, "base": 1019, "start_x": -1}
    assert matrix_reads(SMALL, outside).tolist() == [5 + 2, 5]
    # A group of two tokens is read whole.
    assert matrix_reads(SMALL, {**WALK, "tokens": 5}).sum() == 2 * 6


def test_vector_accesses() -> None:
    fields = {
        "op": VectorOp.ADD, "rows": 4, "channels": 10, "wide_in": 0, "src": 0, "src_stride": 2,
        "src2": 1024, "src2_stride": 2, "out": 1020, "out_stride": 2,
    }  # fmt: skip
    assert vector_reads(SMALL, fields).tolist() == [8, 8]
    assert vector_writes(SMALL, fields, 16).tolist() == [8, 8]
    mapped = {**fields, "op": VectorOp.LAYER_NORM}
    assert vector_reads(SMALL, mapped).tolist() == [16, 0]


def test_a_copy_waits_for_its_bank() -> None:
    """Alone it takes its cycles; a bank that is always taken stops it."""
    others = Others(buffered=True)
    store = banks_of(SMALL, 0, 50)
    assert others.delayed(100, 120, store) == 220
    others.add(at(150), at(400), lambda: np.array([250, 0]))
    assert others.delayed(100, 120, store) == 400 + 70
    assert others.delayed(100, 120, banks_of(SMALL, 1024, 50)) == 220
    assert others.delayed(400, 120, store) == 520


def test_a_copy_goes_on_where_a_bank_is_free_now_and_then() -> None:
    """A word takes one of two cycles: half of them are enough, if it has a buffer."""
    for buffered, end in ((True, 200), (False, 300)):
        others = Others(buffered=buffered)
        others.add(at(0), at(1000), lambda: np.array([500, 0]))
        assert others.delayed(100, 100, banks_of(SMALL, 0, 50)) == end


def test_accesses_in_order_leave_the_first_bank() -> None:
    others = Others(buffered=False)
    others.add_in_order(at(0), at(100), np.array([50, 50]))
    assert others.delayed(0, 10, banks_of(SMALL, 0, 10)) == 60
    assert others.delayed(0, 10, banks_of(SMALL, 1024, 10)) == 10
    assert others.delayed(60, 10, banks_of(SMALL, 1024, 10)) == 110
