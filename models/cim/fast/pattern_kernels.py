"""Compiled loops of :mod:`models.cim.fast.patterns`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from models.cim.fast.compiled_noise import hashes

__all__ = ["LANES", "kernels"]

LANES = 16
"""SIMD lanes: rows and lists are padded to multiples of this number."""

_BIT = 4
"""Bits of a decision's number, in the lowest bits of a test. Above them are the decision's likely
result, and the byte of noise (or its complement) from which on the result may differ."""
_BOUND = _BIT + 1


@cache
def kernels(adc_bits: int) -> tuple[Callable[..., Any], Callable[..., None]]:
    """Return two kernels: one fills the table of a tile, one adds the table's rows."""
    import numba

    types: Any = numba.types
    int32, uint32, uint64 = types.int32, types.uint32, types.uint64
    mix, finished = hashes()
    compiled: Callable[..., Any] = numba.njit(nogil=True, error_model="numpy")

    @compiled
    def count(sums: Any, noise: Any, limits: Any, codes: Any) -> None:
        """Convert sums with equal noise: thresholds are sorted, so a code is the number passed."""
        codes[:] = 0
        for number in range(len(limits)):
            limit = limits[number]
            for column in range(len(sums)):
                codes[column] += int32(int32(sums[column] + noise) >= limit[column])

    @compiled
    def bound(distance: Any, least: Any, most: Any, reach: Any) -> Any:
        """Return the comparison's noise byte, or its complement, that leaves a decision open."""
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
        """Fill the table of a tile (:class:`.patterns._Table`), for every input of its cells.

        ``cells`` are [k, cols], ``limits`` the thresholds from code 1 on [codes, cols], ``factors``
        signed [slices, out].
        """
        elements, columns = cells.shape
        planes, outputs = factors.shape
        entries = 1 << elements * dac_bits
        # A shallower last tile has fewer inputs.
        least, most = noise[0, 0], noise[0, 255]
        sums = np.zeros((entries, columns), np.int32)
        codes = np.empty(columns, np.int32)
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
            count(total, int32(least + noise[1, 0]), limits, codes)
            for plane in range(planes):
                for output in range(outputs):
                    column = plane * outputs + output
                    code, factor = codes[column], factors[plane, output]
                    distance = most + noise[1, 255] + 1
                    if code < len(limits):
                        distance = limits[code, column] - total[column]
                    if distance <= most + noise[1, 255]:
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
            while found % LANES:
                tests[0, found], tests[1, found] = 0, 256 << _BOUND
                found += 1
            begins[value + 1] = found

    @compiled
    def noise_byte(shared: Any, key: Any, byte: Any) -> Any:
        a, b, c = shared
        byte = uint32(byte)
        word = a
        if adc_bits >= 4:
            word = b if byte & uint32(4) else word
        if adc_bits >= 8:
            word = c if byte & uint32(8) else word
        z = finished(uint32(word ^ key))
        return uint32(z >> ((byte & uint32(3)) << uint32(3))) & uint32(255)

    @compiled
    def mark(keys: Any, tests: Any, shared: Any, flags: Any) -> None:
        """Flag the open decisions that may differ from their likely result.

        A separate loop, which the compiler can vectorise.
        """
        for entry in range(len(tests)):
            test = tests[entry]
            byte = noise_byte(shared, keys[entry], test & uint32((1 << _BIT) - 1))
            passes = uint32(uint32(0) - (test >> uint32(_BIT) & uint32(1))) & uint32(255)
            flags[entry] = uint32(uint32(byte ^ passes) >= uint32(test >> uint32(_BOUND)))

    @compiled
    def listed(flags: Any, count: Any, marked: Any) -> Any:
        """List the flagged entries and return their number; branch-free, as flags are random."""
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
        """Add a tile's codes to ``total`` [n, padded out], for inputs [n, slices].

        ``zero`` [out] is added for a skipped slice; ``begin`` is the first conversion's number.
        """
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
                for block in range(uint64(0), uint64(len(row)), uint64(LANES)):
                    for lane in range(LANES):
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
