"""Images of an accuracy as pieces of work for processes: each carries all it needs."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.cim.macro_network import MacroNetwork, prepare
from models.numerics.rescale import Integers

__all__ = ["Piece", "Piecework", "count_right", "right_images", "setting"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Piece:
    """Some images on one die.

    Attributes
    ----------
    number : int
        Of the piece.
    setting : bytes
        The network on its die (:func:`setting`).
    codes : int [n, *shape]; labels : int [n]
    first : int
        Run of the first image.
    """

    number: int
    setting: bytes
    codes: Integers
    labels: NDArray[np.int64]
    first: int


Piecework = tuple[int, int]
"""A piece's number, and how many of its images are right."""


def setting(**arguments: Any) -> bytes:
    """Arguments of :func:`flows.cim.macro_network.prepare`, for a piece."""
    return pickle.dumps(arguments)


def right_images(piece: Piece) -> Piecework:
    """Run a piece."""
    outputs = _network(piece.setting).run(piece.codes, piece.first)
    return piece.number, count_right(outputs, piece.labels)


def count_right(outputs: Integers, labels: NDArray[np.int64]) -> int:
    """Number of images whose top-1 class, by scores ``[n, *]``, equals the label."""
    return int((outputs.reshape(len(outputs), -1).argmax(1) == labels).sum())


@lru_cache(maxsize=1)
def _network(arguments: bytes) -> MacroNetwork:
    # Pieces of one die follow each other.
    return prepare(**pickle.loads(arguments))
