"""LUTs, flip-flops, DSP slices and block RAM of machines, without synthesising them.

LUTs and flip-flops are fits (docs/guides/estimate.md has their errors) to what Yosys makes of the
machine's parts; DSP slices are counted, block RAM comes from the shapes of the memories.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.estimate.machine_points import FORMAT_NAMES, Points, bit_length
from flows.estimate.resources.engine_terms import array_terms, grid_terms, machine_blocks
from flows.estimate.resources.unit_terms import Terms, unit_terms
from models.cost.memories import RAMB18_SHAPES
from models.cost.pipelines import LOAD_BEATS
from models.machine.spec import MachineSpec
from models.program.layout import ORDER_WORD_BITS, ROW_ENTRIES, TABLE_ENTRIES

__all__ = ["ResourceColumns", "Resources", "calibration_data", "estimate_resources",
           "resource_columns"]  # fmt: skip

Column = NDArray[np.int64]

LANE_DSP, SCALAR_DSP = 5, 2
"""DSP slices of a vector lane (products of 32 x 32 and 18 x 25 bits), and of the row scalars."""


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Estimated cost of one machine.

    Attributes
    ----------
    lut, ff : estimates by fitted coefficients
    dsp : exact count
    bram36 : blocks of 36 Kb, by the memories' shapes
    notes : one line for the parameters outside their calibrated ranges, and one for each row class
        without a calibration point
    """

    lut: int
    ff: int
    dsp: int
    bram36: int
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ResourceColumns:
    """Estimated cost of ``n`` machines: int64 columns ``[n]``.

    ``outside`` says by parameter whether it is beyond the calibrated range: ``[n]`` bool.
    """

    lut: Column
    ff: Column
    dsp: Column
    bram36: Column
    outside: dict[str, NDArray[np.bool_]]


def estimate_resources(spec: MachineSpec, family: str) -> Resources:
    """The estimate of one machine; family ``xc7`` or ``xcup``.

    Raises
    ------
    UserError
        If the family is another one.
    """
    points = Points.of([spec], family)
    columns = resource_columns(points)
    ranges, parts = calibration_data()["ranges"], calibration_data()["parts"]
    strange = [
        f"{name} = {getattr(spec, name)} ({ranges[name][0]} to {ranges[name][1]})"
        for name, outside in columns.outside.items()
        if outside[0]
    ]
    notes = []
    if strange:
        notes.append(
            f"outside the calibrated range: {', '.join(strange)}; LUTs and flip-flops are "
            "extrapolated"
        )
    notes += [
        f"rows of {name} have no calibration point: their LUTs and flip-flops are counted only"
        for name, blocks in machine_blocks(points).items()
        if not parts[blocks.part]["points"]
    ]
    return Resources(
        lut=int(columns.lut[0]),
        ff=int(columns.ff[0]),
        dsp=int(columns.dsp[0]),
        bram36=int(columns.bram36[0]),
        notes=tuple(notes),
    )


def resource_columns(p: Points) -> ResourceColumns:
    """Estimates of many machines."""
    parts = calibration_data()["parts"]
    blocks = machine_blocks(p)
    lut, ff = np.zeros(len(p)), np.zeros(len(p))

    def add(name: str, terms: tuple[Terms, Terms], count: Any = 1) -> None:
        nonlocal lut, ff
        lut = lut + count * _value(parts[name]["lut"], terms[0], p.xcup)
        ff = ff + count * _value(parts[name]["ff"], terms[1], p.xcup)

    for name, terms in unit_terms(p).items():
        add(name, terms, p.vector_lanes if name == "vector lane" else 1)
    add("array", array_terms(p), ~p.with_classes)
    add("grid", grid_terms(p, blocks), p.with_classes)
    dsp = LANE_DSP * p.vector_lanes + SCALAR_DSP + np.where(p.with_classes, 0, p.macs_per_cycle)
    # The store unit multiplies by the beats of a word: a slice, unless that is a shift.
    dsp = dsp + (p.beats_per_word & (p.beats_per_word - 1) != 0)
    for block in blocks.values():
        add(block.part, (block.lut, block.ff))
        dsp = dsp + block.dsp
    outside = {name: (getattr(p, name) < low) | (getattr(p, name) > high)
               for name, (low, high) in calibration_data()["ranges"].items()}  # fmt: skip
    return ResourceColumns(
        lut=np.rint(lut).astype(np.int64),
        ff=np.rint(ff).astype(np.int64),
        dsp=dsp,
        bram36=block_rams(p),
        outside=outside,
    )


def _value(fit: dict[str, Any], terms: Terms, xcup: NDArray[np.bool_]) -> NDArray[np.float64]:
    total = np.zeros(len(xcup))
    for name, coefficient in fit["terms"].items():
        total += coefficient * terms[name]
    return total * np.where(xcup, fit["xcup"], 1.0)


@cache
def calibration_data() -> Any:
    """Coefficients and calibrated ranges, with the versions and the date of the fit."""
    file = resources.files("flows.estimate") / "data" / "resource_coefficients.json"
    return json.loads(file.read_text())


def block_rams(p: Points) -> Column:
    """``[n]`` blocks as :func:`models.cost.memories.block_rams` counts them."""
    entries = 2 << np.maximum(1, bit_length(p.depth_entries - 1))
    one = np.ones(len(p), dtype=np.int64)
    total = p.banks * _blocks(p.bank_words, 8 * p.word_bytes, byte_writes=True)
    plain = p.rows * _blocks(entries, 9 * p.lanes)
    classes = 0 * p.rows
    for index, name in enumerate(FORMAT_NAMES):
        rows = p.format_rows[:, index]
        if rows.any():
            classes += rows * _blocks(entries, _bits(name) * p.lanes)
    total += np.where(p.with_classes, classes, plain)
    total += p.vector_lanes * (
        _blocks(p.param_entries, 72 * one) + _blocks(TABLE_ENTRIES * one, 16 * one)
    )
    total += _blocks(ROW_ENTRIES * one, 16 * one) + _blocks(LOAD_BEATS * one, p.axi_width + 1)
    lane = np.maximum(1, bit_length(p.vector_lanes - 1))
    order = p.word_bytes * (lane + 1) + 2 * np.minimum(ORDER_WORD_BITS // 2, p.word_bytes)
    total += np.where(p.scatter, _blocks(p.param_entries, order), 0)
    total += np.where(p.part_sums, _blocks(np.maximum(p.part_sums, 1), 32 * p.vector_lanes), 0)
    return -(-total // 2)


def _bits(name: str) -> int:
    from models.formats import FORMATS

    return FORMATS[name].bits


def _blocks(depth: Column, width: Column, *, byte_writes: bool = False) -> Column:
    best = None
    for deep, wide in RAMB18_SHAPES:
        usable = wide // 9 * 8 if byte_writes and wide >= 9 else wide
        blocks = -(-depth // deep) * -(-width // usable)
        best = blocks if best is None else np.minimum(best, blocks)
    return np.asarray(best)
