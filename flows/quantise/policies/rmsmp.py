"""RMSMP and ILMPQ: powers of two, 4-bit and a few 8-bit rows in every layer."""

from __future__ import annotations

import numpy as np

from flows.quantise.policies.base import Pick, Policy, Rows

__all__ = ["Ilmpq", "Rmsmp"]


class Rmsmp(Policy):
    """``pot4:fixed4:fixed8`` = 65:30:5 in every layer, including the first and the last.

    The rows of the highest curvature get 8 bits; of the others, those of low variance get ``pot4``.
    The paper takes the largest eigenvalue of the loss's Hessian for each row, from training. After
    training, with calibration images and no labels, all rows of a layer share the layer-wise
    Gauss-Newton matrix ``E[x x^T]``; they differ only in how far rounding moves them. So the score
    is the trace form of the second-order loss: the sum over a row of
    ``E[x_k^2] * (w_k - fixed4(w_k))^2``.

    Source: Chang et al., "RMSMP: A Novel Deep Neural Network Quantization Framework with Row-wise
    Mixed Schemes and Multiple Precisions" (ICCV 2021); trace-weighted loss: Dong et al.,
    "HAWQ-V2" (NeurIPS 2020).
    """

    name = "rmsmp"
    title = "pot4 : fixed4 : fixed8"
    source = "Chang et al., ICCV 2021"

    @property
    def formats(self) -> tuple[str, ...]:
        return "pot4", "fixed4", "fixed8"

    @property
    def ratio(self) -> tuple[float, ...]:
        return 65.0, 30.0, 5.0

    def picks(self, rows: Rows) -> tuple[Pick, ...]:
        """Pick 8 bits by curvature, then ``pot4`` by low variance."""
        loss = (rows.importance * np.square(rows.rounding_error("fixed4"))).sum(axis=1)
        return Pick("fixed8", loss), Pick("pot4", -rows.variance)


class Ilmpq(Rmsmp):
    """RMSMP with the ratio 60:35:5, for an XC7Z020.

    Source: Chang et al., "ILMPQ: An Intra-Layer Multi-Precision Deep Neural Network Quantization
    framework for FPGA" (2021).
    """

    name = "ilmpq"
    source = "Chang et al., 2021"

    @property
    def ratio(self) -> tuple[float, ...]:
        return 60.0, 35.0, 5.0
