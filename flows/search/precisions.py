"""Precisions in the order in which a search prefers them.

The order is a convention, the one of the published searches: no accuracy is measured here. Weights
decide first: 8 bits, then 4 bits, then ternary, then binary. Within these, more activation bits
win over everything; then rows of one fixed-point format over mixtures; and of a mixture the lower
share of its second format.

Sources: Li et al., "Auto-ViT-Acc" (arXiv 2208.05163): fixed8 with pot4, fixed4 with pot3; Sun et
al., "VAQF" (arXiv 2201.06618): binary weights, the most activation bits that meet the rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.formats import FORMATS

__all__ = ["PRECISIONS", "Mixture", "Precision", "label"]


@dataclass(frozen=True)
class Mixture:
    """Rows of a fixed-point format, with any share of rows in a ``second`` format."""

    fixed: str
    second: str = ""

    def __str__(self) -> str:
        return f"{self.fixed} + {self.second}" if self.second else self.fixed


@dataclass(frozen=True)
class Precision:
    """Formats of the weights, and signed bits of an activation."""

    mixture: Mixture
    act_bits: int

    @property
    def name(self) -> str:
        """Name for people, such as ``W8A8 (fixed8)`` or ``W8+W4, A8 (fixed8 + pot4)``."""
        names = [name for name in (self.mixture.fixed, self.mixture.second) if name]
        return label(names, self.act_bits)


def label(formats: Sequence[str], act_bits: int) -> str:
    """Name of rows of these formats with ``act_bits`` bits of an activation."""
    bits = [f"W{FORMATS[name].bits}" for name in formats]
    comma = ", " if len(bits) > 1 else ""
    return f"{'+'.join(bits)}{comma}A{act_bits} ({' + '.join(formats)})"


_STEPS: tuple[tuple[tuple[Mixture, ...], tuple[int, ...]], ...] = (
    ((Mixture("fixed8"), Mixture("fixed8", "pot4")), (8, 7, 6)),
    ((Mixture("fixed4"), Mixture("fixed4", "pot4"), Mixture("fixed4", "pot3")), (8, 7, 6, 5, 4)),
    # Fixed-point rows remain: products of two activations need them.
    ((Mixture("fixed8", "ternary"),), (8, 7, 6, 5, 4)),
    ((Mixture("fixed8", "binary"),), (8, 7, 6, 5, 4)),
)

PRECISIONS = tuple(
    Precision(mixture, bits) for mixtures, acts in _STEPS for bits in acts for mixture in mixtures
)
"""Best first."""
