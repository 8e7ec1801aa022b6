"""The row order's entries: lanes, columns and words come out as they were written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hdl.vector.scatter import RowOrder
from models.machine.spec import MachineSpec
from models.program.layout import ORDER_LANE_BITS, ORDER_WORD_BITS
from tests.support.hdl.amaranth_cycles import simulate
from tests.support.specs import MIXED

WIDE = MachineSpec().with_classes([("fixed8", 12), ("pot4", 20)])
SEED = 3


@pytest.mark.parametrize("spec", [MIXED, WIDE], ids=["mixed", "wide"])
def test_entries_are_looked_up(spec: MachineSpec) -> None:
    """Word numbers of all bits; each entry is read with another row."""
    entries, columns, rng = 24, spec.word_bytes, np.random.default_rng(SEED)
    bits = min(ORDER_WORD_BITS, 2 * columns)
    lanes = rng.integers(0, spec.vector_lanes, (entries, columns))
    enable = rng.integers(0, 2, (entries, columns))
    words = [(1 << bits) - 1, 1 << (bits - 1), *rng.integers(0, 1 << bits, entries - 2).tolist()]
    rows = rng.integers(0, 64, entries).tolist()
    order = RowOrder(spec)

    async def bench(ctx: Any) -> None:
        for entry in range(entries):
            value = 0
            for column in range(columns):
                byte = int(lanes[entry, column]) | int(enable[entry, column]) << ORDER_LANE_BITS
                digit = words[entry] >> 2 * column & 3 if column < ORDER_WORD_BITS // 2 else 0
                value |= (byte | digit << 6) << 8 * column
            ctx.set(order.write.entry, entry)
            ctx.set(order.write.value, value)
            ctx.set(order.write.enable, 1)
            await ctx.tick()
        ctx.set(order.write.enable, 0)
        for entry in range(entries):
            ctx.set(order.entry, entry)
            await ctx.tick()
            ctx.set(order.row, rows[entry])
            await ctx.tick()
            assert ctx.get(order.address) == rows[entry] + words[entry], f"entry {entry}"
            mask = int((enable[entry] << np.arange(columns)).sum())
            assert ctx.get(order.enable) == mask, f"entry {entry}"
            got = [ctx.get(order.lane[column]) for column in range(columns)]
            assert got == lanes[entry].tolist(), f"entry {entry}"

    simulate(order, bench)


def test_more_lanes_than_an_entry_can_name() -> None:
    lanes = 2 << ORDER_LANE_BITS
    spec = MachineSpec(rows=lanes, vector_lanes=lanes, lanes=lanes)
    text = f"vector_lanes must be at most {lanes // 2} with several row classes, not {lanes}"
    with pytest.raises(ValueError, match=text):
        RowOrder(spec)
