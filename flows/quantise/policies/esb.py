"""ESB: four bits with one significant bit after the leading one."""

from __future__ import annotations

from flows.quantise.policies.base import Policy

__all__ = ["Esb"]


class Esb(Policy):
    """``esb4.1`` in every row; first and last layer ``fixed8``.

    Source: Gong et al., "Elastic Significant Bit Quantization and Acceleration for Deep Neural
    Networks" (TPDS 2022).
    """

    name = "esb"
    title = "esb4.1, ends fixed8"
    source = "Gong et al., TPDS 2022"
    keep_ends = True

    @property
    def formats(self) -> tuple[str, ...]:
        return ("esb4.1",)
