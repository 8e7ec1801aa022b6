"""Products by a table of all inputs of a tile, for macros with few input bits per tile (compiled).

With eight rows and one bit at a time a tile has 256 inputs. Each input determines the sum of every
column, and so its code, unless noise can cross the nearest threshold. The table has for each input
a row of codes, already summed over slices, and a list of open columns with the noise that changes
their code. A slice of activations then costs one addition of rows, and a test of those few open
columns whose noise byte does not settle the decision.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.cim.fast.pattern_kernels import LANES, kernels
from models.cim.golden.macro import cell_sums
from models.cim.golden.weight_layout import DECODE_BITS, Layout
from models.numerics.rescale import Integers

__all__ = ["pattern_sums", "suits"]

INDEX_BITS = 8
"""Most bits of an input of a tile."""

_FAR = 1 << 30


def suits(layout: Layout) -> bool:
    """Test that tables pay off and that noise can cross at most one threshold."""
    spec = layout.spec
    bits = spec.depth * spec.dac_bits
    if (
        bits > INDEX_BITS
        or layout.rows * len(layout.act_factors) < _worth(bits, spec.adc_bits)
        or layout.decode is not None
        or layout.bias is not None
        or spec.relu
    ):
        return False
    noise = _noise(layout)
    gaps = np.diff(layout.registers.thresholds[:, 1:], axis=1)
    return int(gaps.min(initial=_FAR)) > int(np.ptp(noise, axis=1).sum())


def _worth(bits: int, adc_bits: int) -> int:
    """Return the number of conversions per column from which on tables pay off."""
    return (1 << bits) << max(0, adc_bits - 5)


def pattern_sums(layout: Layout) -> Integers:
    """Return codes summed over tiles and slices of weights and activations, in 1/256 code.

    Returns
    -------
    int64 [outputs, n]
    """
    spec, die, factors = layout.spec, layout.die, layout.slices.factors
    shifts = spec.dac_bits * np.arange(len(layout.act_factors))
    zero = layout.zero >> DECODE_BITS
    largest = max((1 << spec.adc_bits) - 1, abs(zero) if spec.zero_skip else 0)
    once = largest * int(np.abs(factors).sum() * layout.act_factors.sum())
    kind = np.int32 if once * layout.tiles < 1 << 31 else np.int64
    noise = _noise(layout)
    # For each noise value, the first byte with at least that noise (the table is sorted).
    reach = np.searchsorted(noise[1], np.arange(-_span(noise), _span(noise) + 1))
    skipped = zero * int(factors.sum())
    patterns = _patterns(layout)
    fill, run = kernels(spec.adc_bits)
    total = np.empty((layout.outputs, layout.rows), dtype=np.int64)
    for out in range(0, layout.outputs, layout.outputs_at_once):
        part = slice(out, min(out + layout.outputs_at_once, layout.outputs))
        outputs = part.stop - part.start
        order = layout.by_slice(outputs)
        limits = np.clip(layout.registers.thresholds[order, 1:].T, -_FAR, _FAR)
        limits = np.ascontiguousarray(limits, dtype=np.int32)
        into = np.zeros((layout.rows, -(-outputs // LANES) * LANES), dtype=kind)
        table = _Table.of(1 << spec.depth * spec.dac_bits, len(order), into)
        for tile in range(layout.tiles):
            digits, columns = layout.tile_digits(tile, part)
            signs = np.ones(outputs, dtype=np.int64)
            if layout.slices.signs is not None:
                signs = layout.slices.signs[part, tile]
            cells = cell_sums(digits, die, columns)[order].T.copy()
            signed = (factors[:, None] * signs).astype(kind)
            fill(cells, spec.dac_bits, limits, die.column_keys[order], noise, reach, signed, *table)
            number = out // layout.outputs_at_once * layout.tiles + tile
            begin = layout.when.first + number * layout.when.tokens * len(shifts)
            run(
                patterns[tile], shifts, spec.zero_skip, (skipped * signs).astype(kind), *table,
                noise, layout.keys, np.uint32(begin & 0xFFFFFFFF), layout.when.tokens, into,
            )  # fmt: skip
        total[part] = into.T[:outputs]
    total <<= DECODE_BITS
    return total


class _Table(NamedTuple):
    """Table of a tile: codes and open columns of every input.

    Attributes
    ----------
    rows : int [inputs, padded outputs]
        Likely codes, summed over slices of weights.
    begins : int64 [inputs + 1]
        Begin of each input's list of open columns.
    tests : uint32 [2, room]
        Key of an open column, and the first test of its noise.
    distances : int32 [room]
        Least noise that passes the decision.
    outputs : uint32 [room]
        Output of an open column.
    changes : int [room]
        Change of the output for the other code.
    """

    rows: Integers
    begins: Integers
    tests: NDArray[np.uint32]
    distances: NDArray[np.int32]
    outputs: NDArray[np.uint32]
    changes: Integers

    @classmethod
    def of(cls, inputs: int, columns: int, total: Integers) -> _Table:
        """Allocate a table, once for all tiles, as page faults cost more than filling it."""
        room = inputs * (columns + LANES)
        return cls(
            rows=np.zeros((inputs, total.shape[1]), total.dtype),
            begins=np.zeros(inputs + 1, np.int64),
            tests=np.zeros((2, room), np.uint32),
            distances=np.zeros(room, np.int32),
            outputs=np.zeros(room, np.uint32),
            changes=np.zeros(room, total.dtype),
        )


def _noise(layout: Layout) -> NDArray[np.int32]:
    """Return the noise tables of sampling and of decisions, ``[2, 256]``."""
    die = layout.die
    if not die.dynamic:
        return np.zeros((2, 256), dtype=np.int32)
    return np.stack([die.sampling, die.comparator]).astype(np.int32)


def _span(noise: NDArray[np.int32]) -> int:
    return int(np.abs(noise).max(1).sum()) + 1


def _patterns(layout: Layout) -> NDArray[np.uint8]:
    """Return table indices ``[t, n, Q]``: the digits of a tile's elements, the first lowest."""
    spec, digits = layout.spec, layout.act_digits
    slices, count, k = digits.shape
    index = np.zeros((slices, count, layout.tiles), dtype=np.uint8)
    for element in range(min(spec.depth, k)):
        some = digits[:, :, element :: spec.depth]
        index[:, :, : some.shape[2]] |= some << np.uint8(element * spec.dac_bits)
    return np.ascontiguousarray(index.transpose(2, 1, 0))
