"""Rows of several classes: every channel once, on a row that can hold it, in one word a beat."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.mapper import MappingError, map_network
from flows.mapper.row_plan import classed_plan, plain_plan
from flows.mapper.static_weights import fitting, row_use, weight_codes
from models.formats.row_classes import RowClass
from models.machine.spec import MachineSpec
from models.ops.attention import AttentionScores
from models.ops.convolution import Convolution
from models.program.layout import ORDER_LANE_BITS, ORDER_WORD_BITS
from tests.support.random_networks import random_network
from tests.support.specs import MIXED, SMALL

RMSMP = MachineSpec().with_classes([("fixed8", 12), ("pot4", 20)])

SYMMETRIC = (
    r"quantise activations symmetrically and without -128, as rowmac quantise does "
    r"\(onnxruntime's ActivationSymmetric=True leaves the -128\), or take a machine without row "
    r"classes$"
)


@st.composite
def layers(draw: st.DrawFn) -> tuple[MachineSpec, np.ndarray, np.ndarray]:
    """A machine, weights ``[channels, K]`` of its classes, and the channel of every column."""
    spec = draw(st.sampled_from([RMSMP, MIXED]))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    channels = draw(st.integers(1, 90))
    kinds = rng.integers(0, len(spec.classes), channels)
    weights = np.array([rng.choice(spec.classes[k].grid, 6) for k in kinds])
    columns = np.arange(channels)
    if draw(st.booleans()):  # words that are filled up
        columns = np.insert(columns, rng.integers(0, channels + 1, 9), -1)
    return spec, weights, columns


@settings(max_examples=150)
@given(layer=layers(), bits=st.sampled_from([8, 16]))
def test_every_channel_once(layer: tuple[MachineSpec, np.ndarray, np.ndarray], bits: int) -> None:
    spec, weights, columns = layer
    formats = ["fixed8"] * len(weights)
    plan = classed_plan(spec, fitting(spec, weights, columns, formats, filled=False), bits)
    used = plan.columns[plan.columns >= 0]
    assert sorted(used) == sorted(np.flatnonzero(columns >= 0))
    channels = plan.channels(columns)
    codes = weight_codes(spec, weights, channels)
    for place, row in enumerate(spec.drain_order):
        held = channels[:, place] >= 0
        decoded = spec.row_formats[row].decode(codes[held, row].astype(np.int64))
        assert np.array_equal(decoded, weights[channels[held, place]])
    check_order(spec, plan.columns, plan.order, bits)


def check_order(spec: MachineSpec, table: np.ndarray, order: bytes, bits: int) -> None:
    """Each byte of each result is written once, from its lane, into its word."""
    entries = np.frombuffer(order, dtype=np.uint8).astype(int).reshape(-1, spec.word_bytes)
    beats = table.reshape(-1, spec.vector_lanes)
    assert len(entries) == len(beats)
    written = {}
    for entry, beat in zip(entries, beats, strict=True):
        digits = entry[: ORDER_WORD_BITS // 2] >> 6
        word = sum(int(d) << 2 * i for i, d in enumerate(digits))
        for column in np.flatnonzero(entry >> ORDER_LANE_BITS & 1):
            place = word * spec.word_bytes + int(column)
            assert place not in written
            written[place] = beat[entry[column] & 31]
    step = bits // 8
    want = {int(c) * step + part: c for c in table[table >= 0] for part in range(step)}
    assert written == want


@pytest.mark.parametrize("fixed", [6, 4, 2])
def test_nothing_idles_where_ratios_match(fixed: int) -> None:
    """Each word has the classes' share of rows: as few tiles as there can be."""
    spec = MachineSpec().with_classes([("fixed8", 2 * fixed), ("pot4", 32 - 2 * fixed)])
    rng = np.random.default_rng(3)
    fits = np.ones((128, 2), dtype=bool)
    for word in range(8):
        fits[word * 16 + rng.choice(16, fixed, replace=False), 1] = False
    plan = classed_plan(spec, fits, 8)
    assert plan.tiles == 4
    assert (plan.columns >= 0).all()


def test_rows_in_order_without_classes() -> None:
    plan = plain_plan(10, SMALL.rows)
    assert plan.tiles == 3
    assert plan.columns.reshape(-1).tolist() == [*range(10), -1, -1]
    assert plan.order == b""


def test_weights_that_no_row_holds() -> None:
    graph = random_network("gemm", 3, MIXED.classes)
    spec = SMALL.with_classes([("pot4", 4)])
    with pytest.raises(
        MappingError,
        match=r"^layer 'Convolution_t\d+': row \d+ of format fixed8 must fit one of the machine's "
        r"row classes \(pot4\), not have \d+ different weights from -?\d+ to \d+; for example "
        r"--rows fixed8:12,pot4:20$",
    ):
        map_network(graph, spec)


def test_products_of_activations_need_fixed_rows() -> None:
    spec = SMALL.with_classes([("pot4", 4)])
    graph = random_network("attention", 3, spec.classes)
    with pytest.raises(
        MappingError,
        match=r"^layer 'AttentionScores_t3': products of two activations must have at least 4 "
        r"fixed-point rows to hold one of them, not pot4:4$",
    ):
        map_network(graph, spec)


def test_products_of_activations_without_zero_point() -> None:
    spec = SMALL.with_classes([("fixed8", 8)])
    graph = random_network("attention", 1, spec.classes)
    nodes = [
        replace(n, operator=replace(n.operator, key_zero=5))
        if isinstance(n.operator, AttentionScores)
        else n
        for n in graph.nodes
    ]
    with pytest.raises(
        MappingError,
        match=r"^layer 'AttentionScores_t3': zero point of 't1' must be 0 in a product of two "
        r"activations on a machine with row classes, not 5; " + SYMMETRIC,
    ):
        map_network(replace(graph, nodes=tuple(nodes)), spec)


def test_codes_that_do_not_fit() -> None:
    """K and V must not reach -128 on packed rows; narrow activations must fit the machine."""
    spec = SMALL.with_classes([("fixed8", 8)])
    wide = random_network("attention", 1, spec.classes)
    nodes = tuple(
        replace(n, operator=replace(n.operator, requantize=replace(n.operator.requantize, low=-128,
                                                                   table=None)))
        if n.output == "t1" and isinstance(n.operator, Convolution) else n
        for n in wide.nodes
    )  # fmt: skip
    with pytest.raises(
        MappingError,
        match=r"codes of 't1' must be -127 to 127 on this machine, not -128 to \d+; " + SYMMETRIC,
    ):
        map_network(replace(wide, nodes=nodes), spec)
    four = MachineSpec(
        lanes=4,
        tokens=2,
        rows=4,
        vector_lanes=4,
        depth=512,
        act_bits=4,
        classes=(RowClass("fixed4", 4),),
    )
    graph = random_network("gemm", 1, spec.classes)
    with pytest.raises(
        MappingError,
        match=r"codes of 'input' must be -8 to 7 on this machine, not -128 to 127; "
        r"quantise to fewer bits, or take more act_bits$",
    ):
        map_network(graph, four)


@settings(max_examples=30)
@given(layer=layers())
def test_row_use_is_of_each_class_by_itself(
    layer: tuple[MachineSpec, np.ndarray, np.ndarray],
) -> None:
    """Counted row by row: how often a row of the class computes something."""
    spec, weights, columns = layer
    formats = ["fixed8"] * len(weights)
    plan = classed_plan(spec, fitting(spec, weights, columns, formats, filled=False), 8)
    counted = {kind.format: 0 for kind in spec.classes}
    owner = [kind.format for kind in spec.classes for _ in range(kind.rows)]
    for tile in plan.columns:
        for place, column in enumerate(tile):
            counted[owner[spec.drain_order[place]]] += int(column >= 0)
    shares = row_use(spec, plan)
    assert set(shares) == set(counted)
    for kind in spec.classes:
        want = counted[kind.format] / kind.rows / len(plan.columns)
        assert shares[kind.format] == pytest.approx(want)


def test_a_row_of_more_words_than_an_entry_can_name() -> None:
    """Two bits a column: words of four bytes hold the number of one of 256."""
    spec = MachineSpec(lanes=2, tokens=2, rows=4, vector_lanes=2).with_classes([("fixed8", 4)])
    assert spec.word_bytes == 4
    plan = classed_plan(spec, np.ones((1024, 1), dtype=bool), 8)
    check_order(spec, plan.columns, plan.order, 8)
    with pytest.raises(MappingError, match="^a row of results must be at most 256 words, not 257$"):
        classed_plan(spec, np.ones((1025, 1), dtype=bool), 8)
