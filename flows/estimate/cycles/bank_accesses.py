"""Accesses to each scratchpad bank by a descriptor: who comes last waits for its bank."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.machine.spec import MachineSpec
from models.program.layout import VectorOp

__all__ = ["banks_of", "matrix_reads", "vector_reads", "vector_writes"]

PerBank = NDArray[np.int64]
TURNS = {VectorOp.LAYER_NORM: 2, VectorOp.SOFTMAX: 3}
"""Times that an operator reads its rows."""


def banks_of(spec: MachineSpec, address: int, words: int) -> PerBank:
    """``[banks]`` words of a range of addresses in each bank."""
    starts = np.arange(spec.banks) * spec.bank_words
    first = np.clip(address, starts, starts + spec.bank_words)
    last = np.clip(address + words, starts, starts + spec.bank_words)
    found: PerBank = last - first
    return found


def matrix_reads(spec: MachineSpec, walk: Mapping[str, int]) -> PerBank:
    """``[banks]`` reads of a matrix descriptor for one tile.

    What lies outside of the image, or past the last token, is read from address 0.
    """
    width, tokens, words = walk["width"], walk["tokens"], walk["words"]
    y, x = np.divmod(np.arange(tokens), width)
    line = walk["line_step"] + (width - 1) * walk["token_step"]
    at = walk["base"] + y * line + x * walk["token_step"]
    tap_line = walk["tap_line_step"] + (walk["kernel_x"] - 1) * walk["tap_step"]
    count = np.zeros(spec.banks, dtype=np.int64)
    inside = 0
    for ky in range(walk["kernel_y"]):
        row = walk["start_y"] + y * walk["stride_y"] + ky * walk["dilation_y"]
        for kx in range(walk["kernel_x"]):
            column = walk["start_x"] + x * walk["stride_x"] + kx * walk["dilation_x"]
            there = (row >= 0) & (row < walk["in_height"])
            there &= (column >= 0) & (column < walk["in_width"])
            first = at[there] + ky * tap_line + kx * walk["tap_step"]
            inside += len(first)
            banks = (first[:, None] + np.arange(words)) // spec.bank_words
            count += np.bincount(banks.reshape(-1) % spec.banks, minlength=spec.banks)
    taps = walk["kernel_y"] * walk["kernel_x"]
    slots = -(-tokens // spec.tokens) * spec.tokens * taps
    count[0] += (slots - inside) * words
    return count


def vector_reads(spec: MachineSpec, fields: Mapping[str, int]) -> PerBank:
    """``[banks]`` reads of a vector descriptor without a product, about."""
    rows, words = (
        fields["rows"],
        -(-fields["channels"] * (1 + fields["wide_in"]) // spec.word_bytes),
    )
    each = rows * words * TURNS.get(VectorOp(fields["op"]), 1)
    if fields["op"] in (VectorOp.MAX_POOL, VectorOp.AVERAGE_POOL):
        lines = (-(-rows // fields["width"]) - 1) * fields["line_step"] + words
        taps = fields["kernel_y"] * fields["kernel_x"]
        lines += max(0, (fields["width"] - 1) * fields["token_step"])
        return _spread(banks_of(spec, fields["src"], max(1, lines)), each * taps)
    reads = _spread(banks_of(spec, fields["src"], rows * fields["src_stride"] or words), each)
    if fields["op"] == VectorOp.ADD:
        second = banks_of(spec, fields["src2"], rows * fields["src2_stride"] or words)
        reads += _spread(second, each)
    return reads


def vector_writes(spec: MachineSpec, fields: Mapping[str, int], beats: int) -> PerBank:
    """``[banks]`` writes of a vector descriptor of so many beats of results, about."""
    words = max(1, fields["rows"] * fields["out_stride"])
    return _spread(banks_of(spec, fields["out"], words), beats)


def _spread(where: PerBank, reads: int) -> PerBank:
    total = max(1, int(where.sum()))
    found: PerBank = where * reads // total
    return found
