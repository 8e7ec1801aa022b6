"""The page: tables, images and the timeline, with its style, in one file."""

from collections.abc import Iterable, Mapping
from html import escape

from flows.report.content import ImageEntry, LayerEntry, Report
from flows.report.png import data_address
from flows.report.timeline_picture import colour, timeline

__all__ = ["render"]

STYLE = """
:root { color-scheme: light dark; --line: #8884; --good: #2a8a3e; --bad: #c62828; }
body { font: 15px/1.45 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 1160px; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; } th { text-align: left; font-weight: 600; }
th, td { padding: .2rem .9rem .2rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
.images { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; width: 128px; } img { width: 128px; image-rendering: pixelated; }
figcaption { font-size: .85rem; } .good { color: var(--good); } .bad { color: var(--bad); }
svg { width: 100%; height: auto; font-size: 12px; } svg text { fill: currentColor; }
svg .lane { fill: #8882; } svg line { stroke: #8886; stroke-width: .5; }
svg .tick { text-anchor: middle; font-size: 11px; }
.bar { display: inline-block; height: .7em; background: currentColor; opacity: .45; }
.key { display: inline-block; width: .8em; height: .8em; margin-right: .4em; }
"""


def render(report: Report) -> str:
    """The page as text; the same for the same report."""
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(report.title)}</title><style>{STYLE}</style></head><body>",
        f"<h1>{escape(report.title)}</h1>",
        _pairs(report.facts),
        f'<h2>Images</h2><div class="images">{"".join(map(_image, report.images))}</div>',
        f"<h2>Units over {report.cycles:,} cycles of the first image</h2>",
        timeline(report.rows, report.spans, report.layers, report.cycles),
        "<h2>Layers</h2>",
        _layers(report.layers, report.cycles),
        "<h2>Machine</h2>",
        _pairs(report.parameters),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _pairs(pairs: Mapping[str, str]) -> str:
    rows = (f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in pairs.items())
    return f"<table>{''.join(rows)}</table>"


def _image(entry: ImageEntry) -> str:
    picture = ""
    if entry.pixels is not None:
        picture = f'<img alt="input image" src="{data_address(entry.pixels)}">'
    right = entry.label is None or entry.label == entry.prediction
    label = "" if entry.label is None else f"label {escape(entry.label)}, "
    verdict = "all outputs equal" if entry.equal else "OUTPUTS DIFFER"
    return (
        f"<figure>{picture}<figcaption>{label}"
        f'<span class="{"good" if right else "bad"}">prediction {escape(entry.prediction)}</span>'
        f'<br><span class="{"good" if entry.equal else "bad"}">{verdict}</span>'
        f"<br>{entry.cycles:,} cycles<br>{_scores(entry)}</figcaption></figure>"
    )


def _scores(entry: ImageEntry) -> str:
    low, high = min(entry.scores), max(entry.scores)
    bars = []
    for index, score in enumerate(entry.scores[:20]):
        height = 2 + 26 * (score - low) / (high - low or 1)
        bars.append(
            f'<rect x="{index * 6}" y="{28 - height:.1f}" width="5" height="{height:.1f}" '
            f'fill="currentColor"><title>output {index}: {score:.3f}</title></rect>'
        )
    return f'<svg viewBox="0 0 {6 * len(bars)} 28" height="28">{"".join(bars)}</svg>'


def _layers(layers: Iterable[LayerEntry], cycles: int) -> str:
    head = (
        "<tr><th>layer</th><th>operator</th><th>output</th><th class=n>MAC</th>"
        "<th class=n>matrix cycles</th><th class=n>vector cycles</th>"
        "<th class=n>array busy</th><th class=n>MAC utilisation</th><th></th></tr>"
    )
    rows = []
    for index, layer in enumerate(layers):
        share = 100 * layer.matrix_cycles / max(cycles, 1)
        rows.append(
            f'<tr><td><span class="key" style="background:{colour(index)}"></span>'
            f"{escape(layer.name)}</td><td>{escape(layer.kind)}</td><td>{escape(layer.shape)}</td>"
            f"<td class=n>{layer.macs:,}</td><td class=n>{layer.matrix_cycles:,}</td>"
            f"<td class=n>{layer.vector_cycles:,}</td><td class=n>{_percent(layer.array_busy)}</td>"
            f"<td class=n>{_percent(layer.utilisation)}</td>"
            f'<td><span class="bar" style="width:{share * 2:.1f}px"></span></td></tr>'
        )
    return f"<table>{head}{''.join(rows)}</table>"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"
