"""Terms of LUTs and flip-flops of a machine's units, a few for each part.

A term is a column ``[n]`` of bits of a register, adder or selection. Coefficients are LUTs
(flip-flops) a bit, fitted in :mod:`flows.estimate.resources.fit`; they are close to what the
structure says.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flows.estimate.cycles.geometry import FIXED, SLOTS, dynamic_rows
from flows.estimate.machine_points import Points, bit_length

__all__ = ["Terms", "lut_memory", "unit_terms"]

Terms = dict[str, NDArray[Any]]


def picked(ways: NDArray[np.int64]) -> NDArray[np.float64]:
    """LUTs for one bit of a selection of ``ways``: each six-input LUT removes three of them."""
    return np.asarray((ways - 1) / 3)


def unit_terms(p: Points) -> dict[str, tuple[Terms, Terms]]:
    """Terms of LUTs and of flip-flops, by part."""
    one = np.ones(len(p))
    word = 8 * p.word_bytes
    codes = p.lanes * first_slot(p)
    used = p.tokens * p.lanes * np.minimum(p.act_width, 8)
    axi = p.axi_width
    lanes = p.vector_lanes
    subwords = p.word_bytes // p.vector_lanes
    held = held_rows(p)
    beats = np.maximum(p.beats_per_word, np.maximum(1, 16 * 8 // p.axi_width))
    group = p.row_group
    entry = bit_length(p.param_entries - 1)
    params = lut_memory(p.param_entries, 72 + 0 * p.lanes)
    scatter = p.scatter
    classes = p.with_classes
    return {
        "control": ({"one": one}, {"one": one}),
        "fetch": ({"one": one}, {"one": one}),
        "sequencer": ({"one": one, "queue": bit_length(p.queue_depth)},
                      {"one": one, "queue": bit_length(p.queue_depth)}),
        "arbiter": ({"one": one}, {"one": one}),
        "load": ({"one": one, "axi": axi, "item": beats * axi},
                 {"one": one, "axi": axi, "item": beats * axi}),
        "weight": (
            {"one": one, "word": word, "word of classes": word * classes,
             "entry of word": codes * picked(p.tokens), "entry of block": codes * picked(held),
             "zero": 9 * p.lanes * (1 - classes)},
            {"one": one, "word": word, "block": codes * held},
        ),
        "matrix": (
            {"one": one, "word": word, "beat": used * picked(2 * p.tokens),
             "zero": p.tokens * p.lanes * p.act_width * (1 - classes)},
            {"one": one, "word": word, "blocks": 2 * p.tokens * used},
        ),
        "store": ({"one": one, "axi": axi, "word": word,
                   "beat": axi * picked(p.beats_per_word)},
                  {"one": one, "axi": axi, "word": word}),
        "scratchpad": (
            # A reader's bit: one of the banks by one select bit each.
            {"one": one, "banks": p.banks,
             "selected": 4 * word * np.where(p.banks > 1, -(-(2 * p.banks - 1) // 5), 0),
             "written": word * p.banks,
             "addresses": p.banks * bit_length(p.bank_words - 1)},
            {"one": one, "word": word, "banks": p.banks},
        ),
        "vector fetch": ({"one": one}, {"one": one}),
        "vector issue": (
            {"one": one, "lanes": lanes, "word": word, "chunk": 16 * lanes * picked(subwords)},
            {"one": one, "lanes": lanes, "word": word},
        ),
        "vector reduce": ({"one": one, "lanes": lanes, "group": group},
                          {"one": one, "lanes": lanes}),
        "vector scalar": ({"one": one}, {"one": one}),
        "vector lane": ({"one": one}, {"one": one}),
        "vector": (
            {"one": one, "lanes": lanes, "word": word, "group": group,
             "lut memory": lanes * params.luts,
             "order": scatter * 8 * p.word_bytes * picked(2 * p.vector_lanes)},
            {"one": one, "lanes": lanes, "word": word, "scatter": scatter * entry,
             "lut memory": lanes * params.registers,
             "order": scatter * p.word_bytes * (1 + bit_length(p.vector_lanes - 1))},
        ),
    }  # fmt: skip


class LutMemory(NamedTuple):
    """A memory in LUTs: these, and the registers at its output; both 0 if it is block RAM."""

    luts: NDArray[np.float64]
    registers: NDArray[np.int64]


def lut_memory(depth: NDArray[np.int64], width: NDArray[np.int64]) -> LutMemory:
    """Memory of one read and one write port, where Yosys' costs make it LUTs, not block RAM.

    Source: costs of ``RAM64M`` (8), ``RAMB18`` (129) and ``RAMB36`` (257) in Yosys 0.70,
    ``techlibs/xilinx``.
    """
    small = 8 * np.where(depth <= 32, -(-width // 6), -(-width // 3) * -(-depth // 64))
    blocks = np.minimum(-(-width // 36) * -(-depth // 512) * 129,
                        -(-width // 72) * -(-depth // 512) * 257)  # fmt: skip
    used = small < blocks
    return LutMemory(used * (small / 2 + width * picked(-(-depth // 64))), used * width)


def first_slot(p: Points) -> NDArray[np.int64]:
    """``[n]`` bits of a weight that is an activation: of a code of the first class, else 8."""
    return np.where(p.with_classes, SLOTS[np.maximum(p.first_format, 0)], 8)


def fixed_first(p: Points) -> NDArray[np.bool_]:
    """``[n]`` whether the first row class is a fixed-point one: its rows can hold activations."""
    return np.asarray(p.with_classes & FIXED[np.maximum(p.first_format, 0)])


def held_rows(p: Points) -> NDArray[np.int64]:
    """``[n]`` rows of a tile of activations; of machines without any, the vector lanes."""
    return np.maximum(dynamic_rows(p), p.vector_lanes)
