"""What row and elementwise operators refuse of their places."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from flows.mapper import MappingError
from flows.mapper.emitter import Emitter
from flows.mapper.place import Place
from flows.mapper.vector_ops import add, requantize
from models.ops.add import Add
from models.ops.requantize import Requantize
from tests.support.specs import SMALL

ROWS = Place(base=0, rows=6, channels=12, row_words=4)
SUM = Add(a_multiplier=1, b_multiplier=1, shift=0)
ONE = np.array([1])


@pytest.mark.parametrize("which", range(3), ids=["first", "second", "target"])
def test_sums_read_channels_without_gaps(which: int) -> None:
    places = [replace(ROWS, base=24 * n) for n in range(3)]
    places[which] = replace(places[which], groups=2)
    with pytest.raises(MappingError, match=r"must have heads that fill .*, not 12 channels in 2"):
        add(Emitter(SMALL), SUM, *places)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"rows": 5}, "second side of an addition must have 6 rows or 1, not 5"),
        ({"bits": 16}, "both sides of an addition must have 8 bits, not 16"),
    ],
)
def test_sums_of_other_shapes(change: dict[str, int], text: str) -> None:
    with pytest.raises(MappingError, match=f"^{text}$"):
        add(Emitter(SMALL), SUM, ROWS, replace(ROWS, **change), replace(ROWS, base=48))


def test_elementwise_work_has_one_channel() -> None:
    two = Requantize(bias=0 * ONE, multiplier=np.array([1, 2]), shift=0 * ONE)
    with pytest.raises(MappingError, match="^elementwise requantise must have 1 channel, not 2$"):
        requantize(Emitter(SMALL), two, ROWS, replace(ROWS, base=24))
