"""State of a machine: scratchpad, parameters, tables, and the streams between its units."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.golden.macro_engine import MacroState
from models.machine.spec import MachineSpec
from models.numerics.rescale import Integers
from models.program.descriptor import ProgramError
from models.program.layout import ROW_ENTRIES, TABLE_ENTRIES


@dataclass
class MachineState:
    """On-chip state of one machine, initially zero like the hardware's memories.

    Attributes
    ----------
    scratchpad : uint8 [words, word_bytes]
    params : uint8 [param_entries, vector_lanes, 9]
    order : uint8 [param_entries, word_bytes], row order: destination of each beat's results
    part_sums : int64 [part_sums, vector_lanes], sums that wait for another part of K
    function_table, row_table : int64 [2048], 16-bit patterns
    weight_words : stream of uint8 words from the load to the weight unit
    tiles : stream of int64 [rows, K] weight tiles, in units of each row's smallest step; tiles of
        activations are short, [dynamic_rows, K]
    accumulators : stream of int64 [tokens, tiles * rows] results
    macro : state of the macro, if the machine has one
    run : int
        Number of the run, which seeds the noise of the macro.
    """

    spec: MachineSpec
    windows: list[NDArray[np.uint8]]
    run: int = 0
    macro: MacroState | None = field(init=False, default=None)
    scratchpad: NDArray[np.uint8] = field(init=False)
    params: NDArray[np.uint8] = field(init=False)
    order: NDArray[np.uint8] = field(init=False)
    part_sums: Integers = field(init=False)
    function_table: Integers = field(init=False)
    row_table: Integers = field(init=False)
    weight_words: deque[NDArray[np.uint8]] = field(default_factory=deque)
    tiles: deque[Integers] = field(default_factory=deque)
    accumulators: deque[Integers] = field(default_factory=deque)

    def __post_init__(self) -> None:
        spec = self.spec
        if spec.macro is not None:
            self.macro = MacroState(choice=spec.macro, acc_width=spec.acc_width)
        self.scratchpad = np.zeros((spec.scratchpad_words, spec.word_bytes), dtype=np.uint8)
        self.params = np.zeros((spec.param_entries, spec.vector_lanes, 9), dtype=np.uint8)
        self.order = np.zeros((spec.param_entries, spec.word_bytes), dtype=np.uint8)
        self.part_sums = np.zeros((spec.part_sums, spec.vector_lanes), dtype=np.int64)
        self.function_table = np.zeros(TABLE_ENTRIES, dtype=np.int64)
        self.row_table = np.zeros(ROW_ENTRIES, dtype=np.int64)

    def window(self, index: int, offset: int, count: int) -> NDArray[np.uint8]:
        """Return ``count`` bytes of a memory window, as a view.

        Raises
        ------
        ProgramError
            If they exceed the window, or do not begin with a bus beat; the machine stops with a
            bounds error then.
        """
        data = self.windows[index]
        if offset % self.spec.axi_bytes:
            raise ProgramError(
                f"access to a window must begin at a multiple of {self.spec.axi_bytes} bytes, "
                f"not at {offset}"
            )
        if offset + count > len(data):
            raise ProgramError(
                f"access must end inside window {index} of {len(data)} bytes, not at "
                f"{offset + count}"
            )
        return data[offset : offset + count]

    def words(self, addresses: Integers) -> NDArray[np.uint8]:
        """Return the scratchpad words at an array of addresses: ``[..., word_bytes]``."""
        self.check(addresses)
        return self.scratchpad[addresses]

    def check(self, addresses: Integers) -> None:
        """Check that addresses lie within the scratchpad."""
        if addresses.size and (addresses.min() < 0 or addresses.max() >= len(self.scratchpad)):
            bad = addresses.min() if addresses.min() < 0 else addresses.max()
            raise ProgramError(
                f"scratchpad address must be 0 to {len(self.scratchpad) - 1}, not {bad}"
            )
