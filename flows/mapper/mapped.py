"""Result of the mapper: a network ready to run, with the figures of its layers for reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.machine.spec import MachineSpec
from models.program.host_data import TensorFormat


@dataclass(frozen=True, kw_only=True)
class Lying:
    """Where a tensor lies while a layer reads or makes it.

    ``window`` is None for the scratchpad, else the memory window of which it takes ``size`` bytes
    from ``offset`` on; ``name`` is the tensor's in the integer graph.
    """

    name: str
    window: int | None = None
    offset: int = 0
    size: int = 0


@dataclass(frozen=True, kw_only=True)
class MappedLayer:
    """Figures of an operator for reports; ``tag`` marks its descriptors.

    ``macs``: multiply-accumulates of the network; ``beats``: cycles of the array for them, at one
    beat per cycle; ``rows``: share of each row class that its tiles use; ``tiles``: of static
    weights, in each pass; ``reads``, ``makes``: where its operands and its result lie.
    """

    tag: int
    name: str
    kind: str
    output: str
    shape: tuple[int, ...]
    macs: int = 0
    beats: int = 0
    rows: Mapping[str, float] = field(default_factory=dict)
    tiles: tuple[int, ...] = ()
    reads: tuple[Lying, ...] = ()
    makes: Lying | None = None


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
        Intermediate tensors in memory: every one if mapped with ``trace``.
    work_bytes : int
        Size of window 3: tensors that the scratchpad does not hold, and the trace.
    peak_words : int
        Largest number of scratchpad words in use.
    """

    spec: MachineSpec
    image: NDArray[np.uint8] = field(repr=False)
    input: TensorFormat
    output: TensorFormat
    layers: tuple[MappedLayer, ...]
    descriptors: int
    peak_words: int
    trace: Mapping[str, tuple[int, TensorFormat]] = field(default_factory=dict)
    work_bytes: int = 0

    @property
    def row_use(self) -> dict[str, float]:
        """Return each row class' utilisation: share of the array's time in which it computes."""
        busy = [layer for layer in self.layers if layer.rows]
        beats = sum(layer.beats for layer in busy)
        return {
            kind.format: sum(layer.beats * layer.rows[kind.format] for layer in busy) / beats
            for kind in self.spec.classes
            if beats
        }
