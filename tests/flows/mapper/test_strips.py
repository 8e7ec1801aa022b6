"""Tensors that exceed the scratchpad live in memory: golden machine = integer graph, every code."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from flows.mapper import MappingError, map_network
from flows.mapper.strips import Frame, lines_read, strip_lines, strip_of
from flows.run.execute import golden_run
from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.network.graph import Reshape, run_graph
from models.numerics.rescale import Integers, Rounding
from models.ops.convolution import Convolution, accumulate
from models.ops.requantize import Requantize
from models.program.descriptor import decode_program
from models.program.layout import INPUT_WINDOW, WORK_WINDOW, LoadTarget
from tests.support.large_networks import large_network
from tests.support.oracles.case import compare
from tests.support.random_layers import Builder
from tests.support.random_networks import random_codes
from tests.support.specs import MIXED, ODD, PACKED, SMALL

TIGHT = [replace(spec, bank_words=512) for spec in (SMALL, ODD, MIXED, PACKED)]


@pytest.mark.parametrize("spec", [*TIGHT, SMALL], ids=["small", "odd", "mixed", "packed", "wider"])
def test_golden_machine_equals_graph(spec: MachineSpec) -> None:
    """60 networks; every operator in strips among them, with a trace and without."""
    seen: Counter[str] = Counter()
    for seed in range(60):
        graph = large_network(seed, spec.classes)
        codes = random_codes(graph, seed)
        wants: dict[str, Integers] = {}
        want = run_graph(graph, codes, keep=wants.__setitem__)[0]
        try:
            network = map_network(graph, spec, trace=bool(seed % 2))
        except MappingError:
            seen["refused"] += 1  # one line of patches is more than the scratchpad
            continue
        got, trace = golden_run(network, codes[0])
        compare(f"seed {seed}", "output", got, want)
        for name, values in trace.items():
            compare(f"seed {seed}", name, values, wants[name][0])
        for one in decode_program(spec, network.image.tobytes()):
            if one.unit is Unit.LOAD and one.fields["target"] == LoadTarget.SCRATCHPAD:
                window = one.fields["window"]
                seen["input strips"] += window == INPUT_WINDOW and one.fields["offset"] > 0
                seen["work window"] += window == WORK_WINDOW
        seen["in memory"] += network.work_bytes > 0 and not seed % 2
    print(dict(seen))
    assert seen["refused"] <= 2
    assert min(seen["input strips"], seen["in memory"]) > 2
    assert spec.bank_words > 512 or seen["work window"] > 20


def test_networks_that_fit_keep_everything_on_chip() -> None:
    """With room for all tensors nothing lives in memory."""
    wide = replace(SMALL, bank_words=1 << 15)
    for seed in range(8):
        network = map_network(large_network(seed), wide)
        assert network.work_bytes == 0


def test_what_stays_on_chip_is_named() -> None:
    """One line must fit."""
    with pytest.raises(MappingError, match="scratchpad must hold"):
        map_network(large_network(0), replace(SMALL, bank_words=4))


@pytest.mark.parametrize("spec", TIGHT, ids=["small", "odd", "mixed", "packed"])
def test_what_a_flattened_map_feeds_stays_on_chip(spec: MachineSpec) -> None:
    """VGG's form: large maps live in memory, but not the small one that a linear layer flattens."""
    b = Builder(np.random.default_rng(3), (60, 24, 24), classes=spec.classes)
    at = b.conv("input", 24, kernel=(3, 3))
    at = b.conv(b.conv(at, 8, stride=(5, 5)), 8, kernel=(3, 3))
    size = int(np.prod(b.tensors[at].shape))
    graph = b.graph("vgg", b.linear(b.add(Reshape((1, size)), (at,), (1, size)), 6))
    codes = random_codes(graph, 3)
    network = map_network(graph, spec)
    assert network.work_bytes > 0
    compare("vgg", "output", golden_run(network, codes[0])[0], run_graph(graph, codes)[0])


def test_strips_cover_every_line_once() -> None:
    """Every output line from the input lines under its kernel; padding only at the borders."""
    op = Convolution(
        weights=np.ones((1, 3, 1, 1), dtype=np.int64),
        requantize=_same(),
        stride=(2, 1),
        padding=(1, 0, 1, 0),
    )
    source = Frame(lines=11, width=1)
    lines = op.output_shape(11, 1)[0]
    image = np.arange(11)[:, None, None]
    whole = run_lines(op, image)
    for size in range(1, lines + 1):
        parts = []
        for start in range(0, lines, size):
            stop = min(start + size, lines)
            strip = strip_of(op, source, start, stop)
            assert strip.last - strip.first <= lines_read(op, source, size)
            assert isinstance(strip.operator, Convolution)
            parts.append(run_lines(strip.operator, image[strip.first : strip.last]))
        assert np.array_equal(np.concatenate(parts), whole)


def test_a_strip_in_the_padding_alone_is_refused() -> None:
    op = Convolution(
        weights=np.ones((1, 1, 1, 1), dtype=np.int64), requantize=_same(), padding=(2, 0, 0, 0)
    )
    with pytest.raises(
        MappingError,
        match="^a strip must read a line of its image, not lines -2 to -1 of 4; a padding",
    ):
        strip_of(op, Frame(lines=4, width=1), 0, 1)


@pytest.mark.parametrize(
    ("most", "moved", "weights", "lines"),
    [(100, 10, 1000, 56), (8, 10, 1000, 8), (100, 16000, 1000, 14), (10, 16000, 1000, 10)],
)
def test_lines_of_a_strip(most: int, moved: int, weights: int, lines: int) -> None:
    """Few strips where weights are many, and never more lines than there is room for."""
    assert strip_lines(56, most, moved, weights) == lines


def run_lines(op: Convolution, image: Integers) -> Integers:
    """Sums of a convolution over one image."""
    sums: Integers = accumulate(image[None], op)[0]
    return sums


def _same() -> Requantize:
    one = np.array([1])
    return Requantize(
        bias=0 * one, multiplier=one, shift=0 * one, rounding=Rounding.FLOOR, low=-128, high=127
    )
