"""F8Net: 8-bit fixed-point numbers throughout, so that rescaling is a shift."""

from __future__ import annotations

from flows.quantise.policies.base import Policy

__all__ = ["F8Net"]


class F8Net(Policy):
    """``fixed8`` with scales that are powers of two, of weights and activations.

    The fractional lengths follow from standard deviations
    (:func:`flows.quantise.calibrated_grids.power_of_two_grid`); rescaling rounds halves to even.

    Source: Jin et al., "F8Net: Fixed-Point 8-bit Only Multiplication for Network Quantization"
    (ICLR 2022).
    """

    name = "f8net"
    title = "fixed8, power-of-two scales"
    source = "Jin et al., ICLR 2022"
    power_of_two = True

    @property
    def formats(self) -> tuple[str, ...]:
        return ("fixed8",)
