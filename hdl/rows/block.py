"""Interface of every row block."""

from __future__ import annotations

from amaranth.hdl import signed
from amaranth.lib import data
from amaranth.lib.wiring import In, Out, Signature


def sum_bits(lanes: int, act_bits: int, largest: int) -> int:
    """Bits of a signed sum of ``lanes`` products, with weights of magnitude up to ``largest``."""
    return (lanes * (1 << act_bits - 1) * largest).bit_length() + 1


class RowBlockSignature(Signature):
    """Dot products of ``rows`` rows of weight codes with every token's activations.

    Members
    -------
    ce : in
        Clock enable of all registers.
    acts : in
        ``[tokens][lanes]`` signed activations of a beat; lane ``l`` is ``cost.skew[l]`` cycles
        late (the array shares the delays between blocks).
    weights : in
        ``[rows][lanes]`` codes of the beat, with the same skew.
    sums : out
        ``[rows][tokens]`` sums ``value + carry``, ``cost.latency`` cycles later.
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
