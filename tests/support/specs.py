"""Machines that the tests simulate: the default, and small ones of odd sizes and mixed rows."""

from __future__ import annotations

from dataclasses import replace

from models.formats.row_classes import RowClass
from models.machine.spec import MachineSpec

DEFAULT = MachineSpec()
SMALL = MachineSpec(
    lanes=4, tokens=2, rows=4, vector_lanes=4, depth=512, banks=2, bank_words=1024,
    param_entries=64, row_group=4, axi_width=32, part_sums=256,
)  # fmt: skip
ODD = MachineSpec(
    lanes=6, tokens=3, rows=9, vector_lanes=3, depth=600, banks=4, bank_words=512,
    param_entries=128, row_group=8, axi_width=64, part_sums=128,
)  # fmt: skip
FEWER_LANES = replace(SMALL, vector_lanes=2)
MIXED = FEWER_LANES.with_classes(
    [("fixed8", 6), ("fixed4", 2), ("pot4", 5), ("binary", 4), ("esb4.1", 3), ("sp2", 2),
     ("ternary", 2)]
)  # fmt: skip
FOUR_BIT = replace(
    FEWER_LANES,
    act_bits=4,
    rows=16,
    classes=(RowClass("fixed4", 8), RowClass("pot3", 5), RowClass("esb4.1", 3)),
)
PACKED = FEWER_LANES.with_classes([("fixed8", 12)])
