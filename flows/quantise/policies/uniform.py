"""Policies with one format for all rows."""

from __future__ import annotations

from flows.quantise.policies.base import Policy

__all__ = ["Int4", "Int8"]


class Int8(Policy):
    """Every row ``fixed8``: the usual int8 with one scale per channel.

    Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference" (CVPR 2018); scale per row: Krishnamoorthi, "Quantizing deep
    convolutional networks for efficient inference" (2018), section 3.
    """

    name = "int8"
    title = "fixed8 everywhere"
    source = "Jacob et al., CVPR 2018; Krishnamoorthi 2018"

    @property
    def formats(self) -> tuple[str, ...]:
        return ("fixed8",)


class Int4(Policy):
    """Every row ``fixed4``, first and last layer ``fixed8``, as is common practice.

    Source: Banner et al., "Post training 4-bit quantization of convolutional networks for
    rapid-deployment" (NeurIPS 2019), which leaves the first layer at 8 bits.
    """

    name = "int4"
    title = "fixed4, ends fixed8"
    source = "Banner et al., NeurIPS 2019"
    keep_ends = True

    @property
    def formats(self) -> tuple[str, ...]:
        return ("fixed4",)
