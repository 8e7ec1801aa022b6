"""The product of :mod:`models.cim.golden.macro`, bit-exact, in blocks that fit the caches.

With numba, large products are sums of table rows and one loop of conversions. Without it, sums on
a die without errors are small integers: several columns then share one product
(``c0 + c1 * 2**s + ...`` stays exact in 32-bit floats), and a conversion is arithmetic.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.cim.die import Die
from models.cim.fast.compiled import WORTH, available
from models.cim.fast.fast_tile import CompiledTile, Searches, Tile
from models.cim.fast.patterns import pattern_sums, suits
from models.cim.golden.adc import Trim, Window
from models.cim.golden.weight_layout import DECODE_BITS, Layout, Product, When
from models.cim.noise import shared_words
from models.numerics.rescale import Integers

_BLOCK = 1 << 17
"""Conversions per block."""
_KEPT = 24 << 20
_ROWS = 128
"""Vectors per block."""

Floats = NDArray[np.float32]


def fast_product(
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
    """Compute :func:`models.cim.golden.macro.dot_product` faster; same arguments and results."""
    layout = Layout.of(acts, weights, die, window, when, decode, bias, trim)
    # Freeing a large block makes the C library keep memory of that size for later allocations;
    # otherwise page faults take half the time of every block of a product.
    np.empty(_KEPT, dtype=np.uint8)
    compiled = decode is None and _conversions(layout) >= WORTH and available()
    if compiled and suits(layout):
        return Product(values=layout.finish(pattern_sums(layout)), conversions=layout.count)
    arithmetic = None
    if not compiled and die.ideal and decode is None and bias is None and not die.spec.zero_skip:
        arithmetic = _ideal_codes(layout)
    if arithmetic is not None:
        return Product(values=_ideal(layout, *arithmetic), conversions=layout.count)
    return Product(values=_general(layout, compiled=compiled), conversions=layout.count)


def _ideal_codes(layout: Layout) -> tuple[float, float] | None:
    """Return factor and addend with code ``floor(count * factor + addend)``; None without any."""
    spec, window = layout.spec, layout.window
    top = spec.largest_count
    if top >= 1 << 16 or spec.relu:
        return None
    counts = np.arange(-top if spec.signed else 0, top + 1)
    exact = layout.registers.thresholds[0, 1:]
    codes = np.searchsorted(exact, counts << spec.fraction, side="right")
    factor = np.float32((1 << spec.fraction) / window.step)
    addend = np.float32((window.step // 2 - window.offset + 0.5) / window.step)
    tried = np.floor(counts.astype(np.float32) * factor + addend)
    tried = np.clip(tried, 0, (1 << spec.adc_bits) - 1)
    if (tried != codes).any() or not np.array_equal(
        np.ptp(layout.registers.thresholds, axis=0), np.zeros(1 << spec.adc_bits)
    ):
        return None
    return float(factor), float(addend)


def _ideal(layout: Layout, factor: float, addend: float) -> Integers:
    spec = layout.spec
    high = (1 << spec.adc_bits) - 1
    factors = layout.slices.factors
    planes, outputs = len(factors), layout.outputs
    total = np.zeros((outputs, layout.rows), dtype=np.int64)
    shift = max(1, spec.largest_count.bit_length())
    together = 1 if spec.signed else max(1, 24 // shift)
    packs = -(-planes // together)
    # Packs are unpacked part by part, and within a part pack by pack.
    padded = np.zeros(packs * together)
    padded[:planes] = factors
    order = padded.reshape(packs, together).T.reshape(1, -1)
    # Below 2**24 sums of codes are exact in 32-bit floats.
    if np.abs(factors).sum() * high < 1 << 24:
        order = order.astype(np.float32)
    rows = min(layout.rows, _ROWS)
    outs = max(1, _BLOCK // (packs * together * rows))
    for tile in range(layout.tiles):
        digits = layout.slices.digits[:, :, tile * spec.depth : (tile + 1) * spec.depth]
        packed = np.zeros((packs, *digits.shape[1:]), dtype=np.float32)
        for plane in range(planes):
            packed[plane // together] += digits[plane] * np.float32(
                2.0 ** (shift * (plane % together))
            )
        signs = None if layout.slices.signs is None else layout.slices.signs[:, tile, None]
        for index, act_factor in enumerate(layout.act_factors):
            acts = np.ascontiguousarray(layout.tile_acts(tile, index).astype(np.float32).T)
            for row in range(0, layout.rows, rows):
                some = acts[:, row : row + rows]
                for out in range(0, outputs, outs):
                    part = (slice(out, out + outs), slice(row, row + rows))
                    counts = packed[:, part[0]].reshape(-1, some.shape[0]) @ some
                    codes = _unpack(counts, together, shift)
                    codes *= np.float32(factor)
                    codes += np.float32(addend)
                    np.floor(codes, out=codes)
                    if codes.max() > high or codes.min() < 0:
                        np.clip(codes, 0, high, out=codes)
                    flat = codes.reshape(packs * together, -1).astype(order.dtype, copy=False)
                    summed = (order @ flat).reshape(-1, some.shape[1]).astype(np.int64)
                    if signs is not None:
                        summed *= signs[part[0]]
                    summed *= int(act_factor) << DECODE_BITS
                    total[part] += summed
    return layout.finish(total)


def _unpack(counts: Floats, together: int, shift: int) -> Floats:
    """Unpack counts ``[m, n]`` to ``[together, m, n]``, lowest part first."""
    parts = np.empty((together, *counts.shape), dtype=np.float32)
    rest = counts
    for part in range(together - 1):
        above = np.multiply(rest, np.float32(2.0**-shift), out=parts[part + 1])
        np.floor(above, out=above)
        np.subtract(rest, above * np.float32(2.0**shift), out=parts[part])
        rest = above
    if together == 1:
        parts[0] = counts
    return parts


def _general(layout: Layout, *, compiled: bool) -> Integers:
    spec, die = layout.spec, layout.die
    total = np.zeros((layout.outputs, layout.rows), dtype=np.int64)
    searches = Searches(layout)
    make_tile = CompiledTile if compiled else Tile
    for out in range(0, layout.outputs, layout.outputs_at_once):
        part = slice(out, min(out + layout.outputs_at_once, layout.outputs))
        for tile in range(layout.tiles):
            number = out // layout.outputs_at_once * layout.tiles + tile
            block = make_tile(layout, tile, part, searches)
            order, left = None, [layout.rows] * len(layout.act_factors)
            if spec.zero_skip:
                order, left = _by_length(layout, tile)
            sums = np.zeros((part.stop - part.start, layout.rows), dtype=np.int64)
            for index, factor in enumerate(layout.act_factors):
                acts = layout.tile_acts(tile, index)
                shared = None
                if die.dynamic:
                    numbers = layout.conversions(number, index)
                    shared = shared_words(layout.keys, numbers, spec.words)
                for row in range(0, left[index], block.rows):
                    some = slice(row, min(row + block.rows, left[index]))
                    which = some if order is None else order[some]
                    summed = block.run(acts[which], None if shared is None else shared[:, which])
                    sums[:, some] += int(factor) * summed
                sums[:, left[index] :] += int(factor) * block.skipped
            total[part] += sums if order is None else sums[:, np.argsort(order)]
    return layout.finish(total)


def _conversions(layout: Layout) -> int:
    """Return the number of conversions of all columns together."""
    columns = layout.outputs * len(layout.slices.factors)
    return columns * layout.rows * layout.tiles * len(layout.act_factors)


def _by_length(layout: Layout, tile: int) -> tuple[Integers, list[int]]:
    """Sort vectors by number of slices, most first; also return the number of vectors per slice.

    Slices that :meth:`Layout.skipped` skips do not count.
    """
    depth = layout.spec.depth
    driven = layout.act_digits[:, :, tile * depth : (tile + 1) * depth].max(2) > 0
    slices = np.arange(1, len(layout.act_factors) + 1)[:, None]
    length = (slices * driven).max(0)
    order: Integers = np.argsort(-length, kind="stable")
    return order, [int((length >= number).sum()) for number in slices[:, 0]]
