"""Auto-ViT-Acc: powers of two beside fixed point, the narrower format in logic cells."""

from __future__ import annotations

from flows.quantise.policies.base import Pick, Policy, Rows

__all__ = ["AutoVitAcc"]


class AutoVitAcc(Policy):
    """``pot4:fixed8`` or ``pot3:fixed4`` in every layer; 40 % powers of two by default.

    The widths are coupled as in the paper (W8 with PoT of 4 bits, W4 with PoT of 3). Rows of low
    variance become powers of two, as in its predecessor MSQ.

    Source: Li et al., "Auto-ViT-Acc: An FPGA-Aware Automatic Acceleration Framework for Vision
    Transformer with Mixed-Scheme Quantization" (FPL 2022); ratio of its DeiT-base on a ZCU102.

    Parameters
    ----------
    weight_bits : int
        Bits of the fixed-point rows: 8 or 4.
    """

    name = "auto-vit-acc"
    title = "pot4 : fixed8, or pot3 : fixed4"
    source = "Li et al., FPL 2022"

    def __init__(self, weight_bits: int = 8) -> None:
        if weight_bits not in (4, 8):
            raise ValueError(f"weight bits of auto-vit-acc must be 4 or 8, not {weight_bits}")
        self._formats = ("pot4", "fixed8") if weight_bits == 8 else ("pot3", "fixed4")

    @property
    def formats(self) -> tuple[str, ...]:
        return self._formats

    @property
    def ratio(self) -> tuple[float, ...]:
        return 40.0, 60.0

    def picks(self, rows: Rows) -> tuple[Pick, ...]:
        """Pick powers of two by low variance."""
        return (Pick(self._formats[0], -rows.variance),)
