"""Macros whose conversions see a few bits: a table of all inputs of a tile (compiled).

With eight rows and a bit at a time a tile has 256 inputs. For each of them every column's sum is
known, and so is its code, unless noise reaches beyond the one threshold that is near enough. So
there is a row of codes for each input, already summed over slices, and a list of the columns in
doubt, with the noise it takes for either code. A slice of activations is then an addition of rows;
of the columns in doubt only those few are looked at whose first byte of noise leaves it open.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.cim.layout import DECODE_BITS, Layout
from models.cim.macro import cell_sums
from models.cim.noise import FINISH, FINISH_SHIFTS
from models.rescale import Integers

__all__ = ["pattern_sums", "suits"]

INDEX_BITS = 8
"""Of an input of a tile at most."""

_FAR = 1 << 30
_LANES = 16
"""Of an instruction: rows and lists are filled up to multiples."""
_BIT = 4
"""Bits of a decision's number, the lowest of a test; above it whether the decision is likely
passed, and the byte of noise (or its complement) from which on it may end otherwise."""
_BOUND = _BIT + 1


def suits(layout: Layout) -> bool:
    """Whether tiles have few inputs, fewer than they convert, and noise reaches one threshold."""
    spec = layout.spec
    bits = spec.depth * spec.dac_bits
    if (
        bits > INDEX_BITS
        or layout.rows * len(layout.act_factors) < 1 << bits
        or layout.decode is not None
        or layout.bias is not None
        or spec.relu
    ):
        return False
    noise = _noise(layout)
    gaps = np.diff(layout.registers.thresholds[:, 1:], axis=1)
    return int(gaps.min(initial=_FAR)) > int(np.ptp(noise, axis=1).sum())


def pattern_sums(layout: Layout) -> Integers:
    """Sums of codes over tiles, slices of weights and of activations, ``2**8`` a code.

    Returns
    -------
    int64 [outputs, n]
    """
    spec, die, factors = layout.spec, layout.die, layout.slices.factors
    shifts = spec.dac_bits * np.arange(len(layout.act_factors))
    high = ((1 << spec.adc_bits) - 1) * np.abs(factors).sum() * layout.act_factors.sum()
    kind = np.int32 if high * layout.tiles < 1 << 31 else np.int64
    noise = _noise(layout)
    # The first byte that takes a comparison so far, from the least noise to the most.
    reach = np.searchsorted(noise[1], np.arange(-_span(noise), _span(noise) + 1))
    zero = (layout.zero >> DECODE_BITS) * int(factors.sum())
    patterns = _patterns(layout)
    fill, run = _kernels(spec.adc_bits)
    total = np.empty((layout.outputs, layout.rows), dtype=np.int64)
    for out in range(0, layout.outputs, layout.outputs_at_once):
        part = slice(out, min(out + layout.outputs_at_once, layout.outputs))
        outputs = part.stop - part.start
        # Slice by slice, in each output by output.
        order = np.arange(outputs * len(factors)).reshape(outputs, -1).T.ravel()
        limits = np.clip(layout.registers.thresholds[order, 1:].T, -_FAR, _FAR)
        limits = np.ascontiguousarray(limits, dtype=np.int32)
        into = np.zeros((layout.rows, -(-outputs // _LANES) * _LANES), dtype=kind)
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
                patterns[tile], shifts, spec.zero_skip, (zero * signs).astype(kind), *table,
                noise, layout.keys, np.uint32(begin), layout.when.tokens, into,
            )  # fmt: skip
        total[part] = into.T[:outputs]
    total <<= DECODE_BITS
    return total


class _Table(NamedTuple):
    """What is known of a tile's inputs.

    Attributes
    ----------
    rows : int [inputs, outputs filled up]
        Likely codes, summed over slices of weights.
    begins : int64 [inputs + 1]
        Of the list of each input: the columns in doubt.
    tests : uint32 [2, room]
        Key of a column, and what its noise is tested with first.
    distances : int32 [room]
        The noise that passes the decision.
    outputs : uint32 [room]
    changes : int [room]
        What the other code adds to the output.
    """

    rows: Integers
    begins: Integers
    tests: NDArray[np.uint32]
    distances: NDArray[np.int32]
    outputs: NDArray[np.uint32]
    changes: Integers

    @classmethod
    def of(cls, inputs: int, columns: int, total: Integers) -> _Table:
        """Room for so many columns; made once, since pages of memory take longer than tables."""
        room = inputs * (columns + _LANES)
        return cls(
            rows=np.zeros((inputs, total.shape[1]), total.dtype),
            begins=np.zeros(inputs + 1, np.int64),
            tests=np.zeros((2, room), np.uint32),
            distances=np.zeros(room, np.int32),
            outputs=np.zeros(room, np.uint32),
            changes=np.zeros(room, total.dtype),
        )


def _noise(layout: Layout) -> NDArray[np.int32]:
    """Noise of sampling and of decisions by byte, ``[2, 256]``."""
    die = layout.die
    if not die.dynamic:
        return np.zeros((2, 256), dtype=np.int32)
    return np.stack([die.sampling, die.comparator]).astype(np.int32)


def _span(noise: NDArray[np.int32]) -> int:
    return int(np.abs(noise).max(1).sum()) + 1


def _patterns(layout: Layout) -> NDArray[np.uint8]:
    """Inputs of every tile as an index: digits of its elements, the first lowest, ``[t, n, Q]``."""
    spec, digits = layout.spec, layout.act_digits
    slices, count, k = digits.shape
    index = np.zeros((slices, count, layout.tiles), dtype=np.uint8)
    for element in range(min(spec.depth, k)):
        some = digits[:, :, element :: spec.depth]
        index[:, :, : some.shape[2]] |= some << np.uint8(element * spec.dac_bits)
    return np.ascontiguousarray(index.transpose(2, 1, 0))


@cache
def _kernels(adc_bits: int) -> tuple[Callable[..., Any], Callable[..., None]]:
    """What fills the tables of a tile, and what adds up their rows."""
    import numba

    types: Any = numba.types
    int32, uint32, uint64 = types.int32, types.uint32, types.uint64
    first, second = (uint32(factor) for factor in FINISH)
    right, left = (uint32(by) for by in FINISH_SHIFTS)
    compiled: Callable[..., Any] = numba.njit(nogil=True, error_model="numpy")

    @compiled
    def count(sums: Any, noise: Any, limits: Any, codes: Any) -> None:
        """Codes of sums with this noise: thresholds are in order, so as many as are passed."""
        codes[:] = 0
        for number in range(len(limits)):
            limit = limits[number]
            for column in range(len(sums)):
                codes[column] += int32(int32(sums[column] + noise) >= limit[column])

    @compiled
    def bound(distance: Any, least: Any, most: Any, reach: Any) -> Any:
        """The byte of a comparison, or its complement, that leaves the decision open."""
        middle = len(reach) // 2
        if distance <= 0:
            return 256 - reach[max(distance - least + middle, 0)]
        return reach[min(distance - most + middle, len(reach) - 1)]

    @compiled
    def fill(
        cells: Any,
        dac_bits: Any,
        limits: Any,
        keys: Any,
        noise: Any,
        reach: Any,
        factors: Any,
        rows: Any,
        begins: Any,
        tests: Any,
        distances: Any,
        into: Any,
        changes: Any,
    ) -> None:
        elements, columns = cells.shape
        planes, outputs = factors.shape
        entries = 1 << elements * dac_bits
        # A last tile may be less deep, and then has no other inputs.
        least, most = noise[0, 0], noise[0, 255]
        sums = np.zeros((entries, columns), np.int32)
        low, high = np.empty(columns, np.int32), np.empty(columns, np.int32)
        rows[:] = 0
        found = 0
        for value in range(entries):
            total, row = sums[value], rows[value]
            if value:
                lowest = 0
                while not value >> lowest & 1:
                    lowest += 1
                cell, by = cells[lowest // dac_bits], lowest % dac_bits
                rest = sums[value & value - 1]
                for column in range(columns):
                    total[column] = rest[column] + (cell[column] << by)
            count(total, int32(least + noise[1, 0]), limits, low)
            count(total, int32(most + noise[1, 255]), limits, high)
            for plane in range(planes):
                for output in range(outputs):
                    column = plane * outputs + output
                    code, factor = low[column], factors[plane, output]
                    if code != high[column]:
                        distance = limits[code, column] - total[column]
                        passes = distance <= 0
                        bit = 0
                        while not (code + 1) >> bit & 1:
                            bit += 1
                        limit = bound(distance, least, most, reach)
                        tests[0, found] = keys[column]
                        tests[1, found] = limit << _BOUND | passes << _BIT | bit
                        distances[found], into[found] = distance, output
                        changes[found] = -factor if passes else factor
                        found += 1
                        code += passes
                    row[output] += factor * code
            while found % _LANES:
                tests[0, found], tests[1, found] = 0, 256 << _BOUND
                found += 1
            begins[value + 1] = found

    @compiled
    def mix(v: Any) -> Any:
        v = uint32(v ^ (v >> uint32(16)))
        v = uint32(v * uint32(0x7FEB352D))
        v = uint32(v ^ (v >> uint32(15)))
        v = uint32(v * uint32(0x846CA68B))
        return uint32(v ^ (v >> uint32(16)))

    @compiled
    def noise_byte(shared: Any, key: Any, byte: Any) -> Any:
        a, b, c = shared
        byte = uint32(byte)
        word = a
        if adc_bits >= 4:
            word = b if byte & uint32(4) else word
        if adc_bits >= 8:
            word = c if byte & uint32(8) else word
        z = uint32(uint32(word ^ key) * first)
        z = uint32(z ^ (z >> right))
        z = uint32(z * second)
        z = uint32(z ^ (z >> left))
        return uint32(z >> ((byte & uint32(3)) << uint32(3))) & uint32(255)

    @compiled
    def mark(keys: Any, tests: Any, shared: Any, flags: Any) -> None:
        """Which decisions in doubt may not end as is likely: a loop that the compiler does many
        turns of at a time."""
        for entry in range(len(tests)):
            test = tests[entry]
            byte = noise_byte(shared, keys[entry], test & uint32((1 << _BIT) - 1))
            passes = uint32(uint32(0) - (test >> uint32(_BIT) & uint32(1))) & uint32(255)
            flags[entry] = uint32(uint32(byte ^ passes) >= uint32(test >> uint32(_BOUND)))

    @compiled
    def listed(flags: Any, count: Any, marked: Any) -> Any:
        found = uint64(0)
        for entry in range(uint64(count)):
            marked[found] = entry
            found += uint64(flags[entry])
        return found

    @compiled
    def run(
        patterns: Any,
        shifts: Any,
        skip: Any,
        zero: Any,
        rows: Any,
        begins: Any,
        tests: Any,
        distances: Any,
        outputs: Any,
        changes: Any,
        noise: Any,
        run_keys: Any,
        begin: Any,
        tokens: Any,
        total: Any,
    ) -> None:
        slices = len(shifts)
        room = len(distances) // len(rows)
        flags, marked = np.empty(room, np.uint8), np.empty(room, np.uint64)
        sampling, comparator = noise[0], noise[1]
        keys, bounds = tests[0], tests[1]
        for vector in range(len(patterns)):
            into, pattern, key = total[vector], patterns[vector], run_keys[vector]
            top = slices
            if skip:
                while top > 0 and pattern[top - 1] == 0:
                    top -= 1
                    for output in range(len(zero)):
                        into[output] += zero[output] << shifts[top]
            for index in range(top):
                value, shift = pattern[index], shifts[index]
                row, start, end = rows[value], begins[value], begins[value + 1]
                for block in range(uint64(0), uint64(len(row)), uint64(_LANES)):
                    for lane in range(_LANES):
                        into[block + uint64(lane)] += row[block + uint64(lane)] << shift
                if start == end:
                    continue
                counter = uint32(begin + uint32(vector % tokens * slices + index)) << uint32(2)
                shared = (
                    mix(uint32(counter ^ key)),
                    mix(uint32((counter | uint32(1)) ^ key)),
                    mix(uint32((counter | uint32(2)) ^ key)),
                )
                mark(keys[start:end], bounds[start:end], shared, flags)
                for number in range(listed(flags, end - start, marked)):
                    entry = uint64(start) + marked[uint64(number)]
                    mine, test = keys[entry], bounds[entry]
                    byte = noise_byte(shared, mine, test & uint32((1 << _BIT) - 1))
                    seen = sampling[uint64(noise_byte(shared, mine, adc_bits))]
                    passed = seen + comparator[uint64(byte)] >= distances[entry]
                    other = uint32(passed) ^ (test >> uint32(_BIT) & uint32(1))
                    into[uint64(outputs[entry])] += changes[entry] * other << shift

    return fill, run
