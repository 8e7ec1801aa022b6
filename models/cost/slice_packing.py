"""Two or four products of small numbers in one DSP slice: where each lies in the sum."""

from __future__ import annotations

from dataclasses import dataclass

from models.cost.dsp_slice import PORT_WIDTH, RESULT_WIDTH

__all__ = ["Packing", "packing"]


@dataclass(frozen=True, kw_only=True)
class Packing:
    """How products share a slice: two rows in the wide port, one or two tokens in the narrow one.

    With ``w = (w1 << row_offset) + w0`` and ``x = (x1 << token_offset) + x0`` the product holds
    ``w0*x0``, ``w0*x1``, ``w1*x0``, ``w1*x1`` in fields of ``token_offset`` (or ``row_offset``)
    bits; a field below zero borrows one from the field above, which is given back as a carry.
    Sums of up to ``limit`` products stay inside their fields for every operand allowed.

    Weights are narrow: ``-(2**(bits-1) - 1)`` at least, as symmetric quantisers make them.
    """

    weight_bits: int
    act_bits: int
    tokens: int
    row_offset: int
    token_offset: int
    limit: int

    def __post_init__(self) -> None:
        largest = ((1 << self.weight_bits - 1) - 1) * (1 << self.act_bits - 1)
        most = ((1 << self.field - 1) - 1) // largest
        if not 1 <= self.limit <= most:
            raise ValueError(f"limit must be at most {most}, not {self.limit}")

    @property
    def field(self) -> int:
        """Bits of a field."""
        return self.row_offset // self.tokens


def packing(family: str, weight_bits: int, act_bits: int, tokens: int = 2) -> Packing:
    """The packing of a family for operands of these widths; two tokens only if ``tokens`` is even.

    Raises
    ------
    ValueError
        If the operands are too wide to pack.
    """
    largest = ((1 << weight_bits - 1) - 1) * (1 << act_bits - 1)
    port = PORT_WIDTH[family]
    for packed in (1,) if tokens % 2 else (2, 1):
        # The upper weight's sign is the port's top bit (narrow weights cannot carry beyond it),
        # or the upper field ends with the result.
        row_offset = min(port - weight_bits, RESULT_WIDTH // 2)
        row_offset -= row_offset % packed
        field = row_offset // packed
        fits = packed == 1 or field + act_bits <= 18
        limit = ((1 << field - 1) - 1) // largest
        if fits and limit >= 2:
            return Packing(
                weight_bits=weight_bits,
                act_bits=act_bits,
                tokens=packed,
                row_offset=row_offset,
                token_offset=field if packed == 2 else 0,
                limit=limit,
            )
    raise ValueError(
        f"packed operands must be at most 8 by 9 bits, not {weight_bits} by {act_bits}"
    )
