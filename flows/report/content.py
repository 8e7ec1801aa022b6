"""What a report shows: plain data, made by whoever ran something."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ImageEntry", "LayerEntry", "Report", "Span"]


@dataclass(frozen=True, kw_only=True)
class ImageEntry:
    """An image and what came of it.

    Attributes
    ----------
    pixels : float array [height, width] or [height, width, 3] of any range, or None
    scores : real outputs of the network
    """

    pixels: NDArray[np.float64] | None
    label: str | None
    prediction: str
    scores: tuple[float, ...]
    equal: bool
    cycles: int


@dataclass(frozen=True, kw_only=True)
class LayerEntry:
    """A layer's row; shares from 0 to 1, or None where they mean nothing."""

    name: str
    kind: str
    shape: str
    macs: int
    matrix_cycles: int
    vector_cycles: int
    array_busy: float | None
    utilisation: float | None


@dataclass(frozen=True)
class Span:
    """A bar of the timeline: row, index of the layer it is of (or -1), start and stop cycle."""

    row: int
    layer: int
    start: int
    stop: int


@dataclass(frozen=True, kw_only=True)
class Report:
    """All of a report.

    Attributes
    ----------
    facts
        what was run and what came out, as text by name.
    rows
        names of the timeline's rows.
    spans
        of one image's run, which took ``cycles``.
    parameters
        of the machine, by name.
    """

    title: str
    facts: Mapping[str, str]
    images: tuple[ImageEntry, ...]
    layers: tuple[LayerEntry, ...]
    rows: tuple[str, ...]
    spans: tuple[Span, ...]
    cycles: int
    parameters: Mapping[str, str]
