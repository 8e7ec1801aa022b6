"""A random network as its float operators, with marks where quantisers go.

A sketch is written first and quantised afterwards (:mod:`benchmarks.import_fuzz.quantised`): only
when the whole float network has been run are the ranges known that its quantisers need.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Sketch", "Step"]


@dataclass
class Step:
    """One float operator.

    Parameters
    ----------
    weights : position of every constant input that is quantised like a weight, and the axis of its
        output channels
    ready : whether its result is quantised (else what follows reads real numbers)
    moves : whether it only moves elements
    """

    kind: str
    inputs: list[str]
    output: str
    attributes: dict[str, Any] = field(default_factory=dict)
    weights: dict[int, int] = field(default_factory=dict)
    ready: bool = True
    moves: bool = False
    bare: bool = False
    """Whether it stays float whatever reads it: a step of a normalisation."""


@dataclass
class Sketch:
    """A float network in order, its constants, and the shapes of its tensors."""

    shape: tuple[int, ...]
    opset: int
    steps: list[Step] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    notes: set[str] = field(default_factory=set)
    """Operators and idioms in it, for the report."""
    soft: bool = False
    """Whether an operator of it is approximated: softmax, layer normalisation, a table of reals."""

    def name(self, stem: str) -> str:
        """A tensor name that is not taken."""
        return f"{stem}_{len(self.steps)}_{len(self.constants)}"

    def const(self, value: Any, kind: Any = np.float32) -> str:
        """A constant's name."""
        name = self.name("c")
        self.constants[name] = np.asarray(value, dtype=kind)
        return name

    def add(
        self, kind: str, inputs: list[str], shape: tuple[int, ...], *, note: str = "", **more: Any
    ) -> str:
        """One operator; the name of its result."""
        given = {k: more.pop(k) for k in ("weights", "ready", "moves") if k in more}
        output = self.name("t")
        self.steps.append(Step(kind, inputs, output, more, **given))
        self.shapes[output] = shape
        self.notes.add(note or kind)
        return output
