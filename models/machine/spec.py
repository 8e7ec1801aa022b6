"""The one frozen spec a machine is built from: RTL, golden machine and mapper all read it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from models.cim.choice import MacroChoice
from models.formats.row_classes import RowClass, row_classes
from models.machine.fingerprint import content, fingerprint
from models.machine.numbers import MAY_BE_ZERO
from models.machine.rules import MACRO_RULES, RULES, check


@dataclass(frozen=True, kw_only=True)
class MachineSpec:
    """Parameters of an accelerator.

    What they must be, alone and together, is the table :data:`models.machine.rules.RULES` (around a
    macro also ``MACRO_RULES``); a ValueError names the first rule that is broken.

    Parameters
    ----------
    lanes : int
        Products of one dot-product cell a cycle (elements of K a beat).
    tokens : int
        Activation vectors a beat.
    rows : int
        Weight rows (output channels) of a tile.
    vector_lanes : int
        Elements a cycle of the vector unit.
    depth : int
        Elements of K a weight row can hold (one of two banks).
    banks, bank_words : int
        Scratchpad: banks of words of ``tokens * lanes`` bytes.
    param_entries : int
        Per-channel parameters the vector unit holds, in groups of ``vector_lanes`` channels.
    row_group : int
        Rows that a multi-pass vector operator (softmax, layer norm) works on at a time.
    axi_width : int
        Memory bus, bits.
    queue_depth : int
        Descriptors each unit can hold in waiting.
    part_sums : int
        Beats of ``vector_lanes`` sums that wait for another part of K; 0: K is never in parts.
    act_bits : int
        Signed bits of an activation code; fewer than 8 with row classes only.
    classes : tuple of RowClass
        Number format of every row, ``rows`` in total, fixed-point rows first. Empty: every row
        multiplies operands of nine bits (codes less their zero point), one product a multiplier.
    macro : MacroChoice, optional
        A computing-in-memory macro for products with static weights: ``rows`` are its outputs.
        Products of two activations have a digital array of ``dynamic_rows`` rows beside it.
    """

    lanes: int = 8
    tokens: int = 2
    rows: int = 8
    vector_lanes: int = 8
    depth: int = 2048
    banks: int = 4
    bank_words: int = 4096
    param_entries: int = 512
    row_group: int = 16
    axi_width: int = 64
    queue_depth: int = 4
    act_bits: int = 8
    part_sums: int = 0
    classes: tuple[RowClass, ...] = ()
    macro: MacroChoice | None = None

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if name in ("classes", "macro") or (name in MAY_BE_ZERO and value == 0):
                continue
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a positive whole number, not {value!r}")
        if isinstance(self.macro, dict):
            object.__setattr__(self, "macro", MacroChoice(**self.macro))
        object.__setattr__(self, "classes", row_classes(self.classes))
        check(self, RULES)
        if self.macro is not None:
            if not isinstance(self.macro, MacroChoice):
                raise ValueError(f"macro must be a MacroChoice or None, not {self.macro!r}")
            check(self, MACRO_RULES)

    @property
    def word_bytes(self) -> int:
        """Bytes of a scratchpad word: ``tokens * lanes`` channels of one token."""
        return self.tokens * self.lanes

    @property
    def scratchpad_words(self) -> int:
        """Words of the whole scratchpad."""
        return self.banks * self.bank_words

    @property
    def depth_entries(self) -> int:
        """Beats of K a weight row can hold."""
        return self.depth // self.lanes

    @property
    def axi_bytes(self) -> int:
        """Bytes of a bus beat."""
        return self.axi_width // 8

    @property
    def beats_per_word(self) -> int:
        """Bus beats that carry one scratchpad word."""
        return -(-self.word_bytes // self.axi_bytes)

    @property
    def word_pitch(self) -> int:
        """Bytes from one scratchpad word to the next in memory."""
        return self.beats_per_word * self.axi_bytes

    @property
    def subwords(self) -> int:
        """Vector beats of 8-bit elements in a scratchpad word."""
        return self.word_bytes // self.vector_lanes

    @property
    def macs_per_cycle(self) -> int:
        """Multiply-accumulates the array does in a cycle."""
        return self.rows * self.tokens * self.lanes

    @property
    def act_width(self) -> int:
        """Signed bits of an activation in the array.

        Without row classes: an 8-bit code less its zero point. With them the code itself; the
        mapper adds what the zero point contributes to the bias.
        """
        return self.act_bits if self.classes else 9

    @property
    def weight_width(self) -> int:
        """Bits of a weight in the array: a code, or an 8-bit code less its zero point."""
        return max((c.book.bits for c in self.classes), default=9)

    @property
    def acc_width(self) -> int:
        """Accumulator bits: the worst sum of ``depth`` products fits by construction."""
        largest = max((c.largest for c in self.classes), default=256)
        worst = self.depth * (1 << self.act_width - 1) * largest
        return worst.bit_length() + 1

    @property
    def row_formats(self) -> tuple[RowClass, ...]:
        """The class of every row, in order; empty without classes."""
        return tuple(c for c in self.classes for _ in range(c.rows))

    @property
    def drain_order(self) -> tuple[int, ...]:
        """Row of every result of a token, in the order in which they leave a full tile.

        Each beat of ``vector_lanes`` results has its share of every class, so that each word of
        the scratchpad can have it as well.
        """
        keys: list[tuple[float, int]] = []
        for kind in self.classes:
            first = len(keys)
            keys += [((index + 0.5) / kind.rows, first + index) for index in range(kind.rows)]
        return tuple(row for _, row in sorted(keys)) or tuple(range(self.rows))

    @property
    def scatter(self) -> bool:
        """Whether a result's place in its word is looked up: classes differ, so rows permute."""
        return len(self.classes) > 1

    @property
    def dynamic_rows(self) -> int:
        """Rows a tile has when its weights are activations: the first fixed class' ones.

        As many as divide a word in whole beats of the vector unit; 0 if there are none. Beside a
        macro as few as the vector unit's.
        """
        if self.macro is not None:
            return self.vector_lanes
        if not self.classes:
            return self.rows
        first = self.classes[0]
        most = min(first.rows, self.word_bytes) if first.fixed else 0
        fits = [n for n in range(self.vector_lanes, most + 1, self.vector_lanes)
                if self.word_bytes % n == 0]  # fmt: skip
        return max(fits, default=0)

    def with_classes(self, pairs: Iterable[Iterable[object]]) -> MachineSpec:
        """The same machine with these rows.

        Raises
        ------
        ValueError
            If they are none, or do not fit the machine.
        """
        classes = row_classes(pairs)
        return replace(self, rows=sum(c.rows for c in classes), classes=classes)

    @property
    def fingerprint(self) -> int:
        """32 bits that differ between machines that need different programs."""
        texts = [content(self, without=("macro",))]
        if self.macro is not None:
            # A preset's name says nothing of its physics: what counts is what it stands for.
            texts += [content(self.macro, without=("preset", "adc_bits")), content(self.macro.spec)]
        return fingerprint(*texts)
