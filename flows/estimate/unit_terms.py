"""What the LUTs and flip-flops of a machine's units grow with: a few terms a part.

A term is a column ``[n]``: so many bits of a register, adder or selection. Coefficients are LUTs
(flip-flops) a bit, fitted in :mod:`flows.estimate.fit`; they are near what the structure says.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.estimate.points import FORMAT_NAMES, Points, bit_length
from models.formats import FORMATS

__all__ = ["Terms", "unit_terms"]

Terms = dict[str, NDArray[Any]]


def picked(ways: NDArray[np.int64]) -> NDArray[np.float64]:
    """LUTs a bit of a selection from so many: each LUT of six inputs takes three off."""
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
    held = dynamic_rows(p)
    beats = np.maximum(p.beats_per_word, np.maximum(1, 16 * 8 // p.axi_width))
    group = p.row_group
    entry = bit_length(p.param_entries - 1)
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
            {"one": one, "banks": p.banks, "word": word, "words": word * p.banks,
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
             "order": scatter * 8 * p.word_bytes * picked(2 * p.vector_lanes)},
            {"one": one, "lanes": lanes, "word": word, "scatter": scatter * entry,
             "order": scatter * p.word_bytes * (1 + bit_length(p.vector_lanes - 1))},
        ),
    }  # fmt: skip


def first_slot(p: Points) -> NDArray[np.int64]:
    """``[n]`` bits of a weight that is an activation: of a code of the first class, else 8."""
    bits = np.array([1 << (book.bits - 1).bit_length() for book in FORMATS.values()])
    return np.where(p.with_classes, bits[np.maximum(p.first_format, 0)], 8)


def dynamic_rows(p: Points) -> NDArray[np.int64]:
    """``[n]`` rows of a tile of activations; of machines without any, the vector lanes."""
    first = np.maximum(p.first_format, 0)
    rows = np.take_along_axis(p.format_rows, first[:, None], axis=1)[:, 0]
    fixed = np.array([name.startswith("fixed") for name in FORMAT_NAMES])[first]
    most = np.where(fixed & p.with_classes, np.minimum(rows, p.word_bytes), 0)
    found = p.vector_lanes.copy()
    for beats in range(2, int((p.word_bytes // p.vector_lanes).max(initial=0)) + 1):
        some = beats * p.vector_lanes
        fits = (some <= most) & (p.word_bytes % some == 0)
        found = np.where(fits, some, found)
    return np.where(p.with_classes, found, p.rows)
