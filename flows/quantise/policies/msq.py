"""MSQ: sums of two powers of two beside 4-bit fixed point."""

from __future__ import annotations

from flows.quantise.policies.base import Pick, Policy, Rows

__all__ = ["Msq"]


class Msq(Policy):
    """``sp2:fixed4`` = 67:33 in every layer.

    Rows of low variance, nearer to a normal distribution, become ``sp2``; the others, nearer to a
    uniform one, ``fixed4``. The paper derives the share from the device: about 2:1 is its optimum
    for an XC7Z045 and 1.5:1 for an XC7Z020.

    Source: Chang et al., "Mix and Match: A Novel FPGA-Centric Deep Neural Network Quantization
    Framework" (HPCA 2021).
    """

    name = "msq"
    title = "sp2 : fixed4"
    source = "Chang et al., HPCA 2021"

    @property
    def formats(self) -> tuple[str, ...]:
        return "sp2", "fixed4"

    @property
    def ratio(self) -> tuple[float, ...]:
        return 67.0, 33.0

    def picks(self, rows: Rows) -> tuple[Pick, ...]:
        """Pick ``sp2`` by low variance."""
        return (Pick("sp2", -rows.variance),)
