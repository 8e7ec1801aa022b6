"""DSP rows: two or four products of small numbers in one multiplier."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Signal, signed
from amaranth.lib.wiring import Component

from hdl.rows.adder_tree import AdderTree, Term
from hdl.rows.block import RowBlockSignature, sum_bits
from hdl.rows.dsp import DspMultiplyAdd
from models.cost.row_blocks import BlockKind, block_cost, cascade_lanes
from models.cost.slice_packing import packing
from models.formats import Fixed


class PackedRows(Component):
    """Two rows of fixed-point weights on DSP slices, two or four products in each.

    A cascade of slices adds the lanes; lanes beyond the packing's limit go to further cascades,
    whose sums are added in the fabric. Latency four cycles, plus one for each lane of a cascade
    after the first, plus that of the adder tree if there are several cascades; throughput one beat
    per cycle.

    Parameters
    ----------
    family : str
        ``generic``, ``xc7`` or ``xcup``.
    rows : int
        2, or 1 for the last row of an odd number: then the upper half of its slices is unused.
    """

    kind = BlockKind.PACKED

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
        self.segment = cascade_lanes(lanes, self.packing.limit)
        self.tree = AdderTree(-(-lanes // self.segment))
        self.cost = block_cost(
            Fixed(weight_bits),
            family=family,
            tokens=tokens,
            lanes=lanes,
            act_bits=act_bits,
            kind=self.kind,
        )
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
        """Return the narrow port's operand of each lane: one token, or two packed tokens."""
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
        """Split the cascade's output into sums; a carry returns the borrow of the field below."""
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
