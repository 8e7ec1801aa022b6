"""Row blocks of row classes: rows in order, fixed-point rows in pairs, the others together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from amaranth.back import rtlil

from hdl.rows.binary import BinaryRows
from hdl.rows.choose import row_blocks
from hdl.rows.packed import PackedRows
from hdl.rows.shift import ShiftRows
from models.cost.row_blocks import BlockKind
from models.formats import FORMATS

pytestmark = pytest.mark.slow


def chosen(classes: Sequence[tuple[str, int]], **sizes: Any) -> list[Any]:
    plain: dict[str, Any] = {"family": "generic", "tokens": 4, "lanes": 8, "act_bits": 8}
    return row_blocks(classes, **plain | sizes)


def test_order_and_sharing() -> None:
    blocks = chosen([("fixed8", 5), ("pot4", 3), ("binary", 2), ("fixed4", 2)])
    assert [(type(b), b.rows) for b in blocks] == [
        (PackedRows, 2),
        (PackedRows, 2),
        (PackedRows, 1),
        (ShiftRows, 3),
        (BinaryRows, 2),
        (PackedRows, 2),
    ]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("family", ["generic", "xc7", "xcup"])
def test_every_format_has_a_block(name: str, family: str) -> None:
    for act_bits in (2, 4, 8, 9):
        for tokens in (1, 3, 4):
            for lanes in (1, 3, 8):
                blocks = chosen(
                    [(name, 3)], family=family, act_bits=act_bits, tokens=tokens, lanes=lanes
                )
                assert sum(block.rows for block in blocks) == 3
                weights = blocks[0].signature.members["weights"].shape.elem_shape
                assert (weights.length, weights.elem_shape) == (lanes, FORMATS[name].bits)


@pytest.mark.parametrize(
    ("name", "family", "slice_name"),
    [(name, "xc7", "DSP48E1") for name in FORMATS]
    + [(name, "xcup", "DSP48E2") for name in ("fixed8", "fixed4")],
)
def test_blocks_have_the_slices_that_they_cost(name: str, family: str, slice_name: str) -> None:
    """Counted in the netlist; of multiplier rows, whose slices Yosys chooses, the products."""
    for tokens, lanes in ((1, 3), (2, 2)) if FORMATS[name].fixed else ((2, 2),):
        for block in chosen([(name, 3)], family=family, tokens=tokens, lanes=lanes):
            text = rtlil.convert(block)
            if block.kind is BlockKind.MULTIPLIER:
                assert text.count("cell $mul ") == block.cost.dsps
            else:
                assert text.count(f"cell \\{slice_name} ") == block.cost.dsps
            assert len(block.cost.skew) == lanes


@pytest.mark.parametrize(
    ("classes", "sizes", "match"),
    [
        ([], {}, "row classes must be at least one, not none"),
        ([("fixed9", 2)], {}, "row format must be one of .*, not 'fixed9'"),
        ([("fixed8", 0)], {}, "rows of format fixed8 must be at least 1, not 0"),
        ([("fixed8", 2)], {"family": "ice40"}, "family must be one of .*, not 'ice40'"),
        ([("fixed8", 2)], {"tokens": 0}, "tokens must be at least 1, not 0"),
        ([("fixed8", 2)], {"lanes": -1}, "lanes must be at least 1, not -1"),
        ([("fixed8", 2)], {"act_bits": 10}, "activation bits must be 2 to 9, not 10"),
    ],
)
def test_errors(classes: list[tuple[str, int]], sizes: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        chosen(classes, **sizes)
