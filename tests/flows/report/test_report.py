import base64
import re
import struct
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from flows.report import ImageEntry, LayerEntry, Report, Span, render
from flows.report.png import data_address, encode
from flows.report.timeline_picture import timeline

LAYERS = tuple(
    LayerEntry(
        name=f"layer <{n}>",
        kind="Convolution",
        shape="4 x 5",
        macs=1000 * n,
        matrix_cycles=10 * n,
        vector_cycles=n,
        array_busy=0.5 if n else None,
        utilisation=0.25 if n else None,
    )
    for n in range(3)
)
IMAGE = ImageEntry(
    pixels=np.arange(12.0).reshape(3, 4),
    label="7",
    prediction="7",
    scores=(0.0, 1.0, 0.5),
    equal=True,
    cycles=1234,
)
REPORT = Report(
    title="a & b",
    facts={"images a second": "99"},
    images=(IMAGE, replace(IMAGE, label="3", equal=False), replace(IMAGE, pixels=None)),
    layers=LAYERS,
    rows=("load", "matrix"),
    spans=(Span(0, 0, 0, 10), Span(1, 1, 10, 40), Span(1, -1, 45, 60)),
    cycles=1234,
    parameters={"rows": "8"},
)
VOID = {"meta", "img", "br", "rect", "line"}


class Checker(HTMLParser):
    """Notes addresses of other files, and elements that are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID or tag == "rect":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def test_the_page_needs_no_other_file() -> None:
    page = render(REPORT)
    checker = Checker()
    checker.feed(page)
    assert (checker.open, checker.wrong) == ([], [])
    assert len(checker.addresses) == 2
    assert all(address.startswith("data:image/png;base64,") for address in checker.addresses)
    assert not re.search(r"https?://|<script|<link|@import|url\(", page)


def test_what_it_says() -> None:
    page = render(REPORT)
    assert "<h1>a &amp; b</h1>" in page
    assert "layer &lt;2&gt;" in page
    assert "<script" not in page
    assert page.count("all outputs equal") == 2
    assert page.count("OUTPUTS DIFFER") == 1
    assert page.count('class="bad">prediction 7') == 1
    assert "1,234 cycles of the first image" in page
    assert "25.0 %" in page
    assert render(REPORT) == page


def titles(picture: ElementTree.Element) -> dict[str, ElementTree.Element]:
    """Bars by what they tell of themselves; each tells something else."""
    found = [(one, one.find("title")) for one in picture.iter("rect")]
    told = [(one, title.text or "") for one, title in found if title is not None]
    assert len({text for _, text in told}) == len(told)
    return {text: one for one, text in told}


def test_timeline() -> None:
    spans = [Span(0, 0, 0, 100), Span(0, 1, 100, 300), Span(1, 1, 250, 1000), Span(1, -1, 0, 10)]
    picture = ElementTree.fromstring(timeline(("load", "matrix"), spans, LAYERS, 1000))
    bars = titles(picture)
    assert len(bars) == 4
    left, width = 64.0, 1120 - 64.0
    second = next(bar for text, bar in bars.items() if "100 to 300" in text)
    assert float(second.get("x", "nan")) == pytest.approx(left + 0.1 * width, abs=0.01)
    assert float(second.get("width", "nan")) == pytest.approx(0.2 * width, abs=0.01)
    assert len({bar.get("fill") for bar in bars.values()}) == 3
    assert {text.text for text in picture.iter("text")} >= {"load", "matrix", "0", "200", "1,000"}


def test_thousands_of_bars_are_drawn_as_few() -> None:
    spans = [Span(0, n // 5000, 10 * n, 10 * n + 9) for n in range(10_000)]
    picture = ElementTree.fromstring(timeline(("matrix",), spans, LAYERS, 100_000))
    assert list(titles(picture)) == [
        "matrix: layer <0>, cycles 0 to 49,999",
        "matrix: layer <1>, cycles 50,000 to 99,999",
    ]


@pytest.mark.parametrize("shape", [(3, 4), (5, 2, 3)])
def test_png_is_what_was_put_in(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    content = encode(pixels)
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, at = {}, 8
    while at < len(content):
        (size,) = struct.unpack_from(">I", content, at)
        name, data = content[at + 4 : at + 8], content[at + 8 : at + 8 + size]
        (check,) = struct.unpack_from(">I", content, at + 8 + size)
        assert check == zlib.crc32(name + data)
        chunks[name] = data
        at += 12 + size
    width, height, depth, kind = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert (height, width, depth, kind) == (*shape[:2], 8, 0 if len(shape) == 2 else 2)
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, -1)
    assert not rows[:, 0].any()
    np.testing.assert_array_equal(rows[:, 1:].reshape(shape), pixels)


@pytest.mark.parametrize("pixels", [np.zeros((2, 2)), np.array([[-1.0, 3.0]])])
def test_range_is_stretched(pixels: np.ndarray) -> None:
    address = data_address(pixels)
    expected = np.array([[0, 255]]) if pixels.any() else np.zeros((2, 2))
    content = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    assert content == encode(expected.astype(np.uint8))
