"""A matrix product on the macro: slices, tiles, conversions, and their sum."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.cim.decompose import Digits
from models.cim.die import Die
from models.cim.golden.adc import Trim, Window, convert
from models.cim.golden.weight_layout import Layout, Product, When
from models.cim.noise import column_words, shared_words
from models.numerics.rescale import Integers

__all__ = ["Product", "When", "cell_sums", "column_sums", "compute", "dot_product"]


def cell_sums(digits: Digits, die: Die, columns: Integers) -> NDArray[np.int32]:
    """Return the charge of every cell per unit of input: ``[cols, k]`` to int32 ``[cols, k]``.

    ``columns`` are the physical columns; element ``k`` is in unit ``k``.
    """
    caps = die.caps_by_column[:, columns, : digits.shape[1]]
    if die.spec.cell_bits == 1:
        charge: NDArray[np.int32] = digits * caps[0]
        return charge
    magnitude = np.abs(digits).astype(np.int32)
    total = np.zeros(digits.shape, dtype=np.int32)
    for bit in range(die.spec.cell_bits):
        total += (magnitude >> bit & 1) * caps[bit]
    return np.where(digits < 0, -total, total)


def column_sums(digits: NDArray[np.uint8], cells: NDArray[np.int32]) -> Integers:
    """Sum every column: activations ``[n, k]`` and cells ``[cols, k]`` to int64 ``[cols, n]``."""
    bound = int(np.abs(cells).sum(1, dtype=np.int64).max(initial=0)) * int(digits.max(initial=0))
    kind = np.float32 if bound < 1 << 24 else np.float64
    product = cells.astype(kind) @ digits.T.astype(kind)
    sums: Integers = product.astype(np.int64)
    return sums


def dot_product(
    acts: ArrayLike,
    weights: ArrayLike,
    *,
    die: Die,
    window: Window,
    when: When | None = None,
    decode: Integers | None = None,
    bias: ArrayLike | None = None,
    trim: Trim | None = None,
) -> Product:
    """Compute ``acts @ weights.T`` as the macro does, tile by tile: the reference definition.

    Parameters
    ----------
    acts : int [n, k], 0 to ``2**act_bits - 1``
    weights : int [out, k], ``weight_bits`` signed
    window : Window
        ADC step and offset.
    when : When, optional
        Numbers of the conversions; default: the first run, from its start.
    decode : int64 [columns, 2**adc_bits], optional
        Value of each code in 1/256 step (:mod:`models.cim.calibrate`); default ``code * 2**8``.
    bias : int [out], optional
        Counts added to the sum before the conversion; only if a product takes one conversion.
    trim : Trim, optional
        Corrections of the references.

    Raises
    ------
    ValueError
        If shapes do not match, or operands need more bits than the macro has.
    """
    return compute(Layout.of(acts, weights, die, window, when, decode, bias, trim))


def compute(layout: Layout) -> Product:
    """Compute the product of a layout."""
    die, spec = layout.die, layout.spec
    total = np.zeros((layout.outputs, layout.rows), dtype=np.int64)
    for tile in range(layout.tiles):
        for out in range(0, layout.outputs, layout.outputs_at_once):
            part = slice(out, min(out + layout.outputs_at_once, layout.outputs))
            number = out // layout.outputs_at_once * layout.tiles + tile
            digits, columns = layout.tile_digits(tile, part)
            cells = cell_sums(digits, die, columns)
            for index, factor in enumerate(layout.act_factors):
                acts_in = layout.tile_acts(tile, index)
                sums = column_sums(acts_in, cells)
                if layout.bias is not None:
                    sums = sums + layout.bias[part, None]
                words = None
                if die.dynamic:
                    shared = shared_words(
                        layout.keys, layout.conversions(number, index), spec.words
                    )
                    words = column_words(shared, die.column_keys[columns])
                codes = convert(
                    sums,
                    layout.registers.thresholds[columns],
                    spec,
                    sampling=die.sampling if die.dynamic else None,
                    comparator=die.comparator if die.dynamic else None,
                    words=words,
                )
                value = layout.decoded(codes, columns)
                if spec.zero_skip:
                    value = np.where(layout.skipped(tile, index), layout.zero, value)
                total[part] += int(factor) * layout.combine(value, tile, part)
    return Product(values=layout.finish(total), conversions=layout.count)
