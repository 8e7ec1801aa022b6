"""What every row block is to the array."""

from __future__ import annotations

from amaranth.hdl import signed
from amaranth.lib import data
from amaranth.lib.wiring import In, Out, Signature


def sum_bits(lanes: int, act_bits: int, largest: int) -> int:
    """Signed bits of a sum of ``lanes`` products of activations and weights up to ``largest``."""
    return (lanes * (1 << act_bits - 1) * largest).bit_length() + 1


class RowBlockSignature(Signature):
    """``rows`` rows of weight codes meet every token's activations.

    Members
    -------
    ce : in
        Every register moves when high.
    acts : in
        ``[tokens][lanes]`` signed activations of a beat; lane ``l`` comes ``cost.skew[l]``
        cycles late (the array shares the delays between blocks).
    weights : in
        ``[rows][lanes]`` codes of the beat, late in the same way.
    sums : out
        ``[rows][tokens]``: each a carry and a number to be added, ``cost.latency`` cycles later.
    """

    def __init__(
        self, *, rows: int, tokens: int, lanes: int, act_bits: int, weight_bits: int, width: int
    ) -> None:
        acts = data.ArrayLayout(data.ArrayLayout(signed(act_bits), lanes), tokens)
        term = data.StructLayout({"value": signed(width), "carry": 1})
        super().__init__(
            {
                "ce": In(1),
                "acts": In(acts),
                "weights": In(data.ArrayLayout(data.ArrayLayout(weight_bits, lanes), rows)),
                "sums": Out(data.ArrayLayout(data.ArrayLayout(term, tokens), rows)),
            }
        )
