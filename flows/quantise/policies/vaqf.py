"""VAQF: one bit per weight."""

from __future__ import annotations

from flows.quantise.policies.base import Policy

__all__ = ["Vaqf"]


class Vaqf(Policy):
    """``binary`` with one scale per row; first and last layer ``fixed8``.

    The paper's scale is the mean magnitude of the row's weights; here it is the mean weighted by
    the variance of their inputs, its generalisation. The paper trains in three stages; this policy
    does not train.

    Source: Sun et al., "VAQF: Fully Automatic Software-Hardware Co-Design Framework for Low-Bit
    Vision Transformer" (2022).
    """

    name = "vaqf"
    title = "binary, ends fixed8"
    source = "Sun et al., 2022"
    keep_ends = True

    @property
    def formats(self) -> tuple[str, ...]:
        return ("binary",)
