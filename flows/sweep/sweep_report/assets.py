"""Style and script of the page. Without the script it is a page of pictures and tables."""

__all__ = ["SCRIPT", "STYLE"]

STYLE = """
:root { color-scheme: light; --ink: #1b1f24; --soft: #57606a; --line: #d5dae0; --best: #0b5cad;
  --fit: #6fa8dc; --off: #a3a9b0; --chosen: #c2410c; --real: #1a7f37; --anchor: #7b2d8b; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: #fff;
  margin: 1.5rem auto; max-width: 1240px; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .3rem; }
h2 { font-size: 1.25rem; margin-top: 2.6rem; border-top: 1px solid var(--line);
  padding-top: 1.2rem; overflow-wrap: anywhere; }
h3 { font-size: 1rem; margin: 1.6rem 0 .4rem; }
p { margin: .4rem 0; max-width: 78ch; }
code { display: block; overflow-x: auto;
  font-size: .86rem; background: #f3f5f7; padding: .3rem .5rem; border-radius: 3px; }
code span { white-space: nowrap; }
.soft { color: var(--soft); font-size: .9rem; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(310px, 1fr)); gap: 1rem; }
svg { display: block; width: 100%; height: auto; font-size: 11.5px; }
svg text { fill: var(--ink); } svg .tick { fill: var(--soft); font-size: 11px; }
.grid { stroke: #e8ebee; } .axis { stroke: #8a929b; }
.limit { stroke: var(--soft); stroke-dasharray: 4 3; } svg .note { fill: var(--soft); }
.cloud { stroke: var(--off); stroke-width: 2.5; stroke-linecap: round; fill: none; opacity: .5; }
circle.off { fill: #fff; stroke: var(--off); } circle.fit { fill: var(--fit); }
circle.best { fill: var(--best); } circle.chosen { fill: none; stroke: var(--chosen);
  stroke-width: 2.5; } path.front { fill: none; stroke: var(--best); stroke-width: 1.3; }
.real path { stroke: var(--real); }
.real rect, .key .real path { fill: var(--real); }
.anchor path { fill: var(--anchor); } svg .anchor text { fill: var(--anchor); font-weight: 600; }
polyline { fill: none; stroke-width: 1; } polyline.off { stroke: #d9dde2; }
polyline.fit { stroke: #b9d3ee; } polyline.best { stroke: var(--best); stroke-width: 1.2; }
polyline.chosen { stroke: var(--chosen); stroke-width: 2.4; }
.name { font-weight: 600; } .halo { paint-order: stroke; stroke: #fff; stroke-width: 4px;
  stroke-linejoin: round; }
svg.parallel { max-width: none; } svg.parallel .tick { fill: var(--ink); pointer-events: none; }
.brush { fill: transparent; cursor: ns-resize; touch-action: none; }
.range { fill: #f2b70566; stroke: #8a6d00; pointer-events: none; }
.hidden { display: none; } .on { stroke: #000 !important; stroke-width: 2.6 !important; }
.scroll { overflow-x: auto; } .tall { max-height: 70vh; overflow-y: auto;
  border: 1px solid var(--line); }
table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .6rem; text-align: left; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
.facts td:first-child { white-space: normal; }
td.wide { white-space: normal; min-width: 16rem; }
thead { position: sticky; top: 0; background: #f3f5f7; z-index: 1; }
thead td, thead th { background: #f3f5f7; } th[colspan] { border-left: 1px solid var(--line); }
th button { font: inherit; font-weight: 600; color: inherit; background: none; border: 0;
  padding: 0; cursor: pointer; text-decoration: underline dotted; }
th[aria-sort=ascending] button::after { content: " \\25B2"; }
th[aria-sort=descending] button::after { content: " \\25BC"; }
.points td, .points tr + tr th { text-align: right; }
.points td:first-child, .points tr + tr th:first-child { text-align: left; }
tbody tr.off td { color: var(--soft); } tr.chosen td { background: #fdeee6; font-weight: 600; }
tr.best td:first-child { color: var(--best); font-weight: 600; }
tr.picked td { background: #fff3c4; }
.key { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; font-size: .86rem; margin: .4rem 0; }
.key svg { display: inline-block; width: 16px; height: 12px; vertical-align: -1px; }
.said { position: sticky; bottom: 0; background: #fffbe8; border: 1px solid var(--line);
  padding: .3rem .6rem; font-size: .86rem; min-height: 2.1em; z-index: 2; }
.said:empty { display: none; }
"""

SCRIPT = """
"use strict";
for (const section of document.querySelectorAll("section.group")) {
  const all = new Map();
  for (const node of section.querySelectorAll("[data-i]")) {
    const i = node.dataset.i;
    if (!all.has(i)) all.set(i, []);
    all.get(i).push(node);
  }
  const said = section.querySelector(".said");
  const table = section.querySelector("table.points");
  const names = [...table.tHead.rows[1].cells].map(cell => cell.textContent);
  let lit = null, pinned = null;
  const mark = (i, on) => {
    for (const node of all.get(i) || [])
      node.classList.toggle(node.tagName === "TR" ? "picked" : "on", on);
  };
  const show = i => {
    if (i === lit) return;
    if (lit !== null) mark(lit, false);
    lit = i;
    if (i === null) { said.textContent = ""; return; }
    mark(i, true);
    const row = all.get(i).find(node => node.tagName === "TR");
    const cells = [...row.cells].map((cell, k) =>
      cell.textContent && `${names[k]} ${cell.textContent}`);
    said.textContent = (pinned === i ? "held: " : "") + cells.slice(1).filter(Boolean).join(", ");
  };
  const place = event => {
    const node = event.target.closest && event.target.closest("[data-i]");
    return node ? node.dataset.i : null;
  };
  section.addEventListener("pointerover", event => {
    const i = place(event);
    if (pinned === null && i !== null) show(i);
  });
  section.addEventListener("click", event => {
    if (event.target.closest("button") || event.target.classList.contains("brush")) return;
    const i = place(event);
    pinned = i === pinned ? null : i;
    show(null);
    show(i);
  });

  const heads = [...table.tHead.rows[1].cells];
  heads.forEach((head, column) => head.firstChild.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") !== "descending";
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = [...body.rows].map(row => {
      const text = row.cells[column].textContent;
      const plain = text.replaceAll(",", "");
      return [row, text, /^[+-]?[0-9.]/.test(plain) ? parseFloat(plain) : NaN];
    });
    rows.sort(([, a, x], [, b, y]) => {
      // What is not there stays at the end.
      if (!a || !b) return !a - !b;
      const order = isNaN(x) || isNaN(y) ? isNaN(x) - isNaN(y) || a.localeCompare(b) : x - y;
      return down ? -order : order;
    });
    body.append(...rows.map(([row]) => row));
  }));

  const picture = section.querySelector("svg.parallel");
  if (!picture) continue;
  const lines = [...picture.querySelectorAll("polyline")].map(line =>
    [line.dataset.i, [...line.points].map(point => point.y)]);
  const ranges = new Map();
  const left = section.querySelector(".left");
  const total = left.textContent;
  const filter = () => {
    let count = 0;
    for (const [i, ys] of lines) {
      const out = [...ranges].some(([axis, [low, high]]) => ys[axis] < low || ys[axis] > high);
      count += !out;
      for (const node of all.get(i)) node.classList.toggle("hidden", out);
    }
    left.textContent = ranges.size ? `${count} of the points are in the ranges.` : total;
  };
  const height = event => {
    const point = new DOMPoint(event.clientX, event.clientY);
    return point.matrixTransform(picture.getScreenCTM().inverse()).y;
  };
  for (const brush of picture.querySelectorAll(".brush")) {
    const range = brush.nextElementSibling, axis = Number(brush.dataset.axis);
    let from = null;
    const draw = to => {
      const low = Math.min(from, to), high = Math.max(from, to);
      range.setAttribute("y", low);
      range.setAttribute("height", high - low < 4 ? 0 : high - low);
      if (high - low < 4) ranges.delete(axis); else ranges.set(axis, [low, high]);
      filter();
    };
    brush.addEventListener("pointerdown", event => {
      from = height(event);
      brush.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    brush.addEventListener("pointermove", event => { if (from !== null) draw(height(event)); });
    const end = event => { if (from !== null) { draw(height(event)); from = null; } };
    brush.addEventListener("pointerup", end);
    brush.addEventListener("pointercancel", () => { from = null; });
  }
}
"""
