"""Pictures of a sweep's report: figures are where their axes say."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.sweep.evaluate import ESTIMATE
from flows.sweep.stored_sweep import Stored, read_store
from flows.sweep.sweep_report.parallel import parallel
from flows.sweep.sweep_report.scale import Scale, axis
from flows.sweep.sweep_report.scatter import scatter
from flows.sweep.sweep_report.sweep_content import PICTURED, groups, select
from tests.support.report_store import made_store


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    path = tmp_path_factory.mktemp("sweep") / "s.sqlite"
    made_store(path)
    return read_store(path)


def in_order(figures: list[float], places: list[float]) -> bool:
    """Whether places rise with figures; they have one decimal."""
    pairs = sorted(zip(figures, places, strict=True))
    return all(low <= high + 0.05 for (_, low), (_, high) in pairwise(pairs))


@pytest.mark.parametrize("cost", PICTURED)
def test_places_in_pictures_are_those_of_the_figures(stored: Stored, cost: str) -> None:
    (group,) = groups(select(stored.entries, "deit-tiny"))
    picture = ElementTree.fromstring(scatter(group, cost))
    circles = {
        int(one.get("data-i", "")): (float(one.get("cx", "")), float(one.get("cy", "")))
        for one in picture.iter("circle")
    }
    most = 1.3 * {"lut": 274_080, "dsp": 2_520, "bram36": 912}[cost]
    assert set(circles) == {n for n in group.shown if group.estimate(n)[cost] <= most}
    assert len(set(circles.values())) > 5
    figures = [group.estimate(n) for n in circles]
    assert in_order([value[cost] for value in figures], [x for x, _ in circles.values()])
    assert in_order([value["fps"] for value in figures], [-y for _, y in circles.values()])
    (path,) = (one.get("d", "") for one in picture.iter("path") if one.get("class") == "front")
    numbers = [float(text) for text in re.findall(r"[0-9.]+", path)]
    corners = list(zip(numbers[::2], numbers[1::2], strict=False))
    assert corners == [circles[n] for n in group.fronts[cost]]
    assert re.fullmatch(r"M[0-9.]+ [0-9.]+(H[0-9.]+V[0-9.]+)*H[0-9.]+", path)


def test_lines_cross_each_axis_at_their_value(stored: Stored) -> None:
    (group,) = groups(select(stored.entries, "deit-tiny"))
    picture = ElementTree.fromstring(parallel(group))
    names = [
        "".join(text.text or "" for text in axis.iter("text") if text.get("class") == "name")
        for axis in picture.iter("g")
    ]
    assert names == [
        "rows", "lanes", "tokens", "bankwords", "LUT", "DSP", "block RAM", "images/s", "MAC/cycle",
    ]  # fmt: skip
    across = [float(one.get("x1", "")) for one in picture.iter("line")]
    values, heights = [], []
    for line in picture.iter("polyline"):
        entry = group.entries[int(line.get("data-i", ""))]
        points = [tuple(map(float, text.split(","))) for text in line.get("points", "").split()]
        assert [x for x, _ in points] == across
        figures = entry.values[ESTIMATE]
        values.append(
            [
                *(float(entry.point[name]) for name in ("lanes", "tokens", "bank_words")),
                *(figures[name] for name in ("lut", "dsp", "bram36", "fps", "macs_per_cycle")),
            ]
        )
        heights.append([-y for _, y in points[1:]])
    for n in range(len(values[0])):
        assert in_order([one[n] for one in values], [one[n] for one in heights])


@given(st.lists(st.floats(1e-3, 1e9), min_size=1, max_size=5), st.booleans())
def test_axes_hold_their_values(values: list[float], log: bool) -> None:
    scale = axis(values, 300.0, 20.0, log=log)
    for value in values:
        assert 20 <= scale(value) <= 300
    ticks = scale.ticks()
    assert ticks == sorted(ticks)
    assert all(20 - 1e-6 <= scale(tick) <= 300 + 1e-6 for tick in ticks)
    if not log:
        assert 3 <= len(ticks) <= 8


def test_scale_is_linear_or_logarithmic() -> None:
    assert Scale(0, 10, 0, 100)(2.5) == 25
    assert Scale(1, 100, 0, 100, log=True)(10) == pytest.approx(50)
    assert Scale(1, 100, 0, 100, log=True).ticks() == [1, 2, 5, 10, 20, 50, 100]
