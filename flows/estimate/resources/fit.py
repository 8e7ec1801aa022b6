"""Fits LUTs and flip-flops of each part to the terms of its structure.

Of the engine the structure also says what a coefficient should be: an adder's bit is one LUT, a
register's bit one flip-flop. The fit departs from that only for data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.estimate.machine_points import Points
from flows.estimate.resources.engine_terms import array_terms, grid_terms, machine_blocks
from flows.estimate.resources.parts import Part, machine_parts
from flows.estimate.resources.row_terms import row_blocks
from flows.estimate.resources.unit_terms import Terms, unit_terms
from models.machine.spec import MachineSpec

__all__ = ["fit_parts", "non_negative"]

METRICS = ("lut", "ff")
SMALL = 20.0
"""LUTs below which a part's error counts as if it had this many."""

DOUBT = 0.03
"""Weight of the prior: doubling a coefficient costs as much as this error of one point."""

_BLOCK: tuple[dict[str, float], dict[str, float]]
_BLOCK = ({"chain": 1, "first": 1}, {"registers": 1, "control": 1})
STRUCTURE: dict[str, tuple[dict[str, float], dict[str, float]]] = {
    "array": (
        {"one": 60, "rows": 3, "sums": 2, "tree": 1, "first level": 1, "lut memory": 1},
        {"one": 60, "sums": 2, "tree": 1, "first level": 1, "lut memory": 1},
    ),
    "grid": (
        {"one": 60, "rows": 3, "sums": 1, "drain": 1, "lut memory": 1},
        {"one": 60, "sums": 2, "drain": 1, "weights": 1, "acts": 1, "lut memory": 1},
    ),
    "packed rows": ({"token pairs": 1, "segments": 1}, {"segments": 1}),
    "shift rows": ({**_BLOCK[0], "selections": 1, "multiples": 1, "decoders": 1}, _BLOCK[1]),
    "binary rows": ({**_BLOCK[0], "shared": 1, "control": 1}, _BLOCK[1]),
    # Words of eight places in a queue take two LUTs for three bits.
    "weight": (
        {"word": 0.67, "word of classes": 1, "entry of word": 1, "entry of block": 1, "zero": 2},
        {"word": 1, "block": 1},
    ),
    "matrix": ({"word": 0.67, "beat": 1, "zero": 1}, {"blocks": 1}),
    "store": ({"axi": 0.67, "word": 0.67, "beat": 1}, {}),
    "scratchpad": ({"selected": 1, "written": 1}, {"word": 4}),
    # The pipeline's operands and masks; the entry of the row order on its way.
    "vector": ({"lut memory": 1}, {"lanes": 61, "scatter": 11, "order": 1, "lut memory": 1}),
    "multiplier rows": ({"decoders": 1, "tree": 1}, {"decoders": 1, "tree": 1}),
}
"""LUTs and flip-flops a unit of each term, as the structure says."""

PRODUCTS = ("vector lane", "vector scalar")
"""Parts whose slices take in registers, how many depends on the family; elsewhere flip-flops are
the design's."""

Figures = Mapping[str, int]


def fit_parts(
    machines: Iterable[tuple[MachineSpec, str]], figures: Mapping[tuple[Part, str], Figures]
) -> dict[str, Any]:
    """Coefficients of every part.

    Parameters
    ----------
    machines : machines and families
    figures : LUT, FF and DSP of their parts; those not in it are left out

    Returns
    -------
    dict
        By part and metric: ``terms`` (LUTs or flip-flops a unit of each term) and ``xcup`` (what
        the family ``xcup`` takes of what ``xc7`` does).
    """
    rows = _rows(machines, figures)
    return {
        part: {
            "points": len(rows.get(part, ())),
            **{
                metric: _fit(
                    [(terms[i], xcup, found[metric]) for terms, xcup, found in rows.get(part, ())],
                    STRUCTURE[part][i] if part in STRUCTURE else {},
                    per_family=metric == "lut" or part in PRODUCTS,
                )
                for i, metric in enumerate(METRICS)
            },
        }
        for part in sorted({*rows, *STRUCTURE})
    }


def _rows(
    machines: Iterable[tuple[MachineSpec, str]], figures: Mapping[tuple[Part, str], Figures]
) -> dict[str, list[tuple[tuple[Terms, Terms], bool, Figures]]]:
    """Terms, family and figures of every part once, by its name."""
    found: dict[str, list[tuple[tuple[Terms, Terms], bool, Figures]]] = {}
    seen = set()
    for spec, family in machines:
        p = Points.of([spec], family)
        terms = unit_terms(p)
        if spec.classes:
            terms["grid"] = grid_terms(p, machine_blocks(p))
        else:
            terms["array"] = array_terms(p)
        for part in machine_parts(spec, family):
            name = (part.name, part.key, family)
            if name in seen or (part, family) not in figures:
                continue
            seen.add(name)
            key = dict(part.key)
            if "format" in key:
                columns = {k: np.array([key[k]]) for k in ("rows", "tokens", "lanes", "act_bits")}
                blocks = row_blocks(str(key["format"]), **columns, xcup=p.xcup)
                one = (blocks.lut, blocks.ff)
            else:
                one = terms[part.name]
            found.setdefault(part.name, []).append((one, family == "xcup", figures[part, family]))
    return found


def _fit(
    points: list[tuple[Terms, bool, int]], structure: Mapping[str, float], *, per_family: bool
) -> dict[str, Any]:
    """Least squares of relative errors; the family's factor and the terms in turn."""
    names = list(points[0][0]) if points else list(structure)
    matrix = np.array([[terms[name][0] for name in names] for terms, _, _ in points])
    matrix = matrix.reshape(len(points), len(names))
    xcup = np.array([family for _, family, _ in points], dtype=np.bool_)
    wanted = np.array([figure for _, _, figure in points], dtype=float)
    weight = 1 / np.maximum(wanted, SMALL)
    expected = np.array([structure.get(name, 0.0) for name in names])
    known = np.diag(np.divide(DOUBT, expected, out=np.zeros(len(names)), where=expected > 0))
    factor = 1.0
    coefficients = np.zeros(len(names))
    for _ in range(20):
        scale = np.where(xcup, factor, 1.0) * weight
        coefficients = non_negative(
            np.vstack([matrix * scale[:, None], known]),
            np.concatenate([wanted * weight, DOUBT * (expected > 0)]),
        )
        guess = matrix @ coefficients * weight
        if per_family and xcup.any() and not xcup.all() and (guess[xcup] > 0).any():
            target = (wanted * weight)[xcup]
            factor = float(guess[xcup] @ target / (guess[xcup] @ guess[xcup]))
    terms = {n: float(f"{c:.5g}") for n, c in zip(names, coefficients, strict=True) if c > 0}
    return {"terms": terms, "xcup": round(factor, 4)}


def non_negative(matrix: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least squares with coefficients of at least 0, ``[k]`` for ``[n, k]`` and ``[n]``.

    Lawson and Hanson's active set (Solving Least Squares Problems, 1974, chapter 23).
    """
    size = np.linalg.norm(matrix, axis=0)
    size[size == 0] = 1.0
    scaled = matrix / size
    count = scaled.shape[1]
    free = np.zeros(count, dtype=np.bool_)
    best = np.zeros(count)
    for _ in range(10 * count):
        slope = scaled.T @ (wanted - scaled @ best)
        slope[free] = -np.inf
        enters = int(np.argmax(slope))
        if slope[enters] < 1e-10:
            break
        free[enters] = True
        while True:
            trial = np.zeros(count)
            trial[free] = np.linalg.lstsq(scaled[:, free], wanted, rcond=1e-8)[0]
            if (trial[free] > 0).all():
                best = trial
                break
            low = free & (trial <= 0)
            gap = best[low] - trial[low]
            step = float(np.min(np.divide(best[low], gap, where=gap > 0, out=np.zeros_like(gap))))
            best = best + step * (trial - best)
            free &= best > 1e-12
            best[~free] = 0
            if not free.any():
                break
    return np.asarray(best / size)
