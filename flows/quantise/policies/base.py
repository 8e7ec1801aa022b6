"""Base class of policies, which assign formats to the rows of a layer."""

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
    """Data for a policy's decision: a layer's rows and statistics of its inputs.

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
        """Weights minus their nearest levels in a format ``[rows, K]``."""
        scales = fit_scales(kind, self.matrix, self.importance + 1e-12)
        levels = levels_of_rows([kind] * len(self.matrix), self.matrix, scales)
        return self.matrix - levels * scales[:, None]

    def output_error(self, kind: str) -> Reals:
        """Mean squared error of each row's outputs after rounding to a format ``[rows]``."""
        error = self.rounding_error(kind).reshape(len(self.second), -1, self.matrix.shape[1])
        return np.asarray(((error @ self.second) * error).sum(axis=2).reshape(-1))


@dataclass(frozen=True, eq=False)
class Pick:
    """One step of an assignment: a class takes the remaining rows with the highest scores."""

    format: str
    score: Reals


class Policy(ABC):
    """A published assignment of formats to rows.

    A policy is only the assignment; scales, levels and the file are common to all policies.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    keep_ends: ClassVar[bool] = False
    """Default of the user's choice: first and last layer are ``fixed8``."""
    power_of_two: ClassVar[bool] = False
    """Every scale is a power of two."""

    @property
    @abstractmethod
    def formats(self) -> tuple[str, ...]:
        """The formats, in the order of ratios."""

    @property
    def ratio(self) -> tuple[float, ...]:
        """Default shares of the formats in percent."""
        return (100.0,)

    def picks(self, rows: Rows) -> tuple[Pick, ...]:
        """Return the picks in order; the format without a pick takes the remaining rows."""
        return ()
