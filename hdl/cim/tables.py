"""Initial contents of a macro's memories: a die's tables, or zeros."""

from __future__ import annotations

from dataclasses import dataclass

from hdl.cim.shape import MacroShape
from models.cim.die import Die
from models.cim.golden.adc import Registers
from models.numerics.rescale import Integers


def fits(value: int, bits: int, what: str, *, signed: bool = True) -> int:
    """Return a value, checked to fit ``bits`` bits.

    Raises
    ------
    ValueError
        If it needs more bits.
    """
    low, high = (-(1 << bits - 1), 1 << bits - 1) if signed else (0, 1 << bits)
    if not low <= value < high:
        raise ValueError(f"{what} must be {low} to {high - 1}, not {value}")
    return value


def cap_words(shape: MacroShape, die: Die, column: int) -> list[int]:
    """Return the capacitors of a column: one word per entry."""
    words = []
    for entry in range(shape.entries):
        word = at = 0
        for lane in range(shape.lanes):
            for bit, bits in enumerate(shape.cap_bits):
                cap = int(die.caps[entry * shape.lanes + lane, column, bit])
                word |= fits(cap, bits, "capacitor", signed=False) << at
                at += bits
        words.append(word)
    return words


def noise_table(shape: MacroShape, die: Die) -> list[int]:
    """Return the comparator's noise table, then the sampling's."""
    both = [*die.comparator.tolist(), *die.sampling.tolist()]
    return [fits(v, shape.noise_bits, "noise") for v in both]


def register_table(
    shape: MacroShape, registers: Registers, column: int, bias: int = 0
) -> list[int]:
    """Return the weights of a column's converter, then its base minus ``bias``.

    To add ``bias`` (units of ``2**-F`` count) to the sum is to lower all thresholds by it.
    """
    values = [*registers.weights[column].tolist(), int(registers.base[column]) - bias]
    return [fits(v, shape.register_bits, "threshold register") for v in values]


def decode_table(shape: MacroShape, decode: Integers, column: int) -> list[int]:
    """Return the decoded value of each code of a column."""
    return [fits(v, shape.value_bits, "decoded code") for v in decode[column].tolist()]


@dataclass(frozen=True, kw_only=True)
class Tables:
    """Initial contents of a macro's memories.

    Attributes
    ----------
    caps, decode : words, by column
    noise : words shared by all columns
    keys : noise key of each column; noise_key : that of the die
    """

    caps: list[list[int]]
    decode: list[list[int]]
    noise: list[int]
    keys: list[int]
    noise_key: int
    fixed: bool
    """Flag: tables of the die (all but decode tables) are constants."""

    @classmethod
    def of(cls, shape: MacroShape, die: Die | None) -> Tables:
        """Return a die's tables, or zeros without a die; registers are loaded with every layer."""
        columns: list[list[int]] = [[] for _ in range(shape.spec.columns)]
        if die is None:
            return cls(
                caps=columns,
                decode=columns,
                noise=[],
                keys=[0] * shape.spec.columns,
                noise_key=0,
                fixed=False,
            )
        return cls(
            caps=[cap_words(shape, die, c) for c in range(shape.spec.columns)],
            decode=columns,
            noise=noise_table(shape, die),
            keys=die.column_keys.tolist(),
            noise_key=die.noise_key,
            fixed=True,
        )
