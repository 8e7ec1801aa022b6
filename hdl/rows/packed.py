"""DSP rows: two or four products of small numbers in one multiplier."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Const, Module, Signal, signed
from amaranth.lib.wiring import Component

from hdl.rows.adder_tree import AdderTree, Term
from hdl.rows.block import RowBlockSignature, sum_bits
from hdl.rows.dsp import LATENCY, PORT_WIDTH, RESULT_WIDTH, DspMultiplyAdd


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


class PackedRows(Component):
    """Two rows of fixed-point weights on DSP slices, two or four products in each.

    A cascade of slices adds up the lanes; lanes beyond the packing's limit go to further
    cascades, whose sums meet in the fabric. Latency four cycles and one for each further lane of
    a cascade (and those of an adder tree where cascades meet); throughput one beat a cycle.

    Parameters
    ----------
    family : str
        ``generic``, ``xc7`` or ``xcup``.
    rows : int
        2, or 1 for the last row of an odd number: its slices have an empty upper half.
    """

    def __init__(
        self,
        family: str,
        *,
        rows: int = 2,
        tokens: int,
        lanes: int,
        act_bits: int,
        weight_bits: int,
    ) -> None:
        if rows not in (1, 2):
            raise ValueError(f"packed rows must be 1 or 2, not {rows}")
        self.family, self.rows = family, rows
        self.packing = packing(family, weight_bits, act_bits, tokens)
        self.tokens, self.lanes, self.act_bits = tokens, lanes, act_bits
        largest = (1 << weight_bits - 1) - 1
        self.width = sum_bits(lanes, act_bits, largest)
        self.segments = -(-lanes // self.packing.limit)
        self.segment = -(-lanes // self.segments)
        self.tree = AdderTree(self.segments)
        self.latency = LATENCY + self.segment - 1 + self.tree.latency
        super().__init__(
            RowBlockSignature(
                rows=rows,
                tokens=tokens,
                lanes=lanes,
                act_bits=act_bits,
                weight_bits=weight_bits,
                width=self.width,
            )
        )

    @property
    def dsps(self) -> int:
        """DSP slices of the block."""
        return self.lanes * self.tokens // self.packing.tokens

    def skew(self, lane: int) -> int:
        """Cycles a lane's operands come late: its place in the cascade, from the end.

        A shorter cascade begins later, so that all end together.
        """
        start = lane - lane % self.segment
        length = min(self.segment, self.lanes - start)
        return self.segment - length + lane - start

    def elaborate(self, platform: object) -> Module:
        m = Module()
        p = self.packing
        for group in range(self.tokens // p.tokens):
            narrow = self._narrow(m, group)
            ends = [
                self._cascade(m, group, start, narrow)
                for start in range(0, self.lanes, self.segment)
            ]
            self._unpack(m, group, ends)
        return m

    def _narrow(self, m: Module, group: int) -> list[Signal]:
        """The narrow port's operand of each lane: one token, or two side by side."""
        p = self.packing
        operands = []
        for lane in range(self.lanes):
            if p.tokens == 1:
                operands.append(self.acts[group][lane])
                continue
            low, high = self.acts[2 * group][lane], self.acts[2 * group + 1][lane]
            both = Signal(signed(18), name=f"x{group}_{lane}")
            m.d.comb += both.eq((high << p.token_offset) + low)
            operands.append(both)
        return operands

    def _cascade(
        self,
        m: Module,
        group: int,
        start: int,
        narrow: list[Signal],
    ) -> Signal:
        p = self.packing
        before: DspMultiplyAdd | None = None
        for lane in range(start, min(start + self.segment, self.lanes)):
            dsp = DspMultiplyAdd(self.family, cascade=before is not None)
            m.submodules[f"dsp{group}_{lane}"] = dsp
            m.d.comb += [
                dsp.ce.eq(self.ce),
                dsp.a.eq(self.weights[0][lane].as_signed()),
                dsp.b.eq(narrow[lane]),
            ]
            if self.rows == 2:
                m.d.comb += dsp.d.eq(self.weights[1][lane].as_signed() << p.row_offset)
            if before is not None:
                m.d.comb += dsp.pcin.eq(before.pcout)
            before = dsp
        assert before is not None
        return before.p

    def _unpack(self, m: Module, group: int, ends: list[Signal]) -> None:
        """Fields to sums; the borrow of the field below comes back as a carry."""
        p = self.packing
        for index in range(self.rows * p.tokens):
            row, token = divmod(index, p.tokens)
            at = index * p.field
            terms = [
                Term(end[at : at + p.field].as_signed(), end[at - 1] if index else Const(0, 1))
                for end in ends
            ]
            value, carry = self.tree.build(m, self.ce, terms, self.width, f"total{group}_{index}")
            out = self.sums[row][group * p.tokens + token]
            m.d.comb += [out.value.eq(value), out.carry.eq(carry)]
