"""What the mapper yields: a network ready to run, and what a report says of its layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.machine.spec import MachineSpec
from models.program.host_data import TensorFormat


@dataclass(frozen=True, kw_only=True)
class MappedLayer:
    """What a report says of an operator; ``tag`` marks its descriptors.

    ``macs`` are the network's multiply-accumulates, ``beats`` the cycles the array needs for them
    at one beat a cycle, ``rows`` the share of each class' rows that its tiles use.
    """

    tag: int
    name: str
    kind: str
    output: str
    shape: tuple[int, ...]
    macs: int = 0
    beats: int = 0
    rows: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class MappedNetwork:
    """A network ready to run on a machine.

    Attributes
    ----------
    image : uint8 array
        Window 0: program and constants.
    input, output : TensorFormat
        Layout of windows 1 and 2.
    trace : dict of tensor name to (offset in window 3, TensorFormat)
        Every intermediate tensor, where mapped with ``trace``.
    peak_words : int
        Scratchpad words used at most.
    """

    spec: MachineSpec
    image: NDArray[np.uint8] = field(repr=False)
    input: TensorFormat
    output: TensorFormat
    layers: tuple[MappedLayer, ...]
    descriptors: int
    peak_words: int
    trace: Mapping[str, tuple[int, TensorFormat]] = field(default_factory=dict)
    trace_bytes: int = 0

    @property
    def row_use(self) -> dict[str, float]:
        """Share of each row class' time that its rows compute channels, over all products."""
        busy = [layer for layer in self.layers if layer.rows]
        beats = sum(layer.beats for layer in busy)
        return {
            kind.format: sum(layer.beats * layer.rows[kind.format] for layer in busy) / beats
            for kind in self.spec.classes
            if beats
        }
