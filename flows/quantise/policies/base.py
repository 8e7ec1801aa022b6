"""What a policy is: which row of a layer gets which format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from flows.quantise.float_layers import Reals
from flows.quantise.rounding import levels_of_rows
from flows.quantise.scales import fit_scales

__all__ = ["Pick", "Policy", "Rows"]


@dataclass(frozen=True, eq=False)
class Rows:
    """What a policy may look at: a layer's rows and what its inputs are like.

    Attributes
    ----------
    matrix : float array [rows, K]
    second : float array [groups, K, K]
        Centred second moments of the inputs on calibration images; rows are split evenly among
        the groups.
    """

    matrix: Reals
    second: Reals

    @cached_property
    def variance(self) -> Reals:
        """Variance of each row's weights ``[rows]``."""
        return np.asarray(self.matrix.var(axis=1))

    @cached_property
    def importance(self) -> Reals:
        """Variance of the input of each weight ``[rows, K]``."""
        diagonal = np.diagonal(self.second, axis1=1, axis2=2)
        return np.repeat(diagonal, len(self.matrix) // len(diagonal), axis=0)

    def rounding_error(self, kind: str) -> Reals:
        """Weights less what the nearest levels of a format stand for ``[rows, K]``."""
        scales = fit_scales(kind, self.matrix, self.importance + 1e-12)
        levels = levels_of_rows([kind] * len(self.matrix), self.matrix, scales)
        return self.matrix - levels * scales[:, None]

    def output_error(self, kind: str) -> Reals:
        """Mean squared error of each row's outputs if it were rounded to a format ``[rows]``."""
        error = self.rounding_error(kind).reshape(len(self.second), -1, self.matrix.shape[1])
        return np.asarray(((error @ self.second) * error).sum(axis=2).reshape(-1))


@dataclass(frozen=True, eq=False)
class Pick:
    """One class takes the rows of the highest score among those that are left."""

    format: str
    score: Reals


class Policy(ABC):
    """A published way to give formats to rows.

    Only the assignment is here: scales, levels and the file are the same for all.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    keep_ends: ClassVar[bool] = False
    """Whether the first and the last layer are ``fixed8`` unless the user says otherwise."""
    power_of_two: ClassVar[bool] = False
    """Whether every scale is a power of two."""

    @property
    @abstractmethod
    def formats(self) -> tuple[str, ...]:
        """The classes, in the order in which ratios name them."""

    @property
    def ratio(self) -> tuple[float, ...]:
        """Default shares of the classes in percent."""
        return (100.0,)

    def picks(self, rows: Rows) -> tuple[Pick, ...]:
        """Who takes rows first, second, ...; the class that is not named takes the rest."""
        return ()
