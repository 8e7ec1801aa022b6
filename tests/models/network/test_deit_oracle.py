"""A third party's integer ViT, trained on ImageNet: every tensor of six blocks, bit for bit."""

from __future__ import annotations

import pytest

from tests.support.oracles.deit import blocks_case

pytestmark = pytest.mark.slow


def test_six_blocks_from_the_shipped_input() -> None:
    case = blocks_case()
    codes = case.check_golden()
    assert len(case.expected) == 6 * 18
    print(f"{len(case.expected)} tensors, {codes} codes")
