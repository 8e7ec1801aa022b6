"""Golden macro of a machine: converter registers, started tiles, and their products."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.cim.choice import MacroChoice
from models.cim.decompose import act_slices, paired_acts, paired_weights, weight_slices
from models.cim.die import used_with
from models.cim.golden.adc import Registers, Window
from models.cim.golden.macro import compute
from models.cim.golden.weight_layout import Layout, When, zero_code
from models.cim.noise import run_keys
from models.numerics.rescale import Integers
from models.program.descriptor import ProgramError
from models.program.engine_items import Item, decode_items


@dataclass(frozen=True, kw_only=True, eq=False)
class Tile:
    """Parameters of the products of one weight tile."""

    registers: Registers
    window: Window
    period: int
    valid: int
    tokens: int
    first: int
    act_offset: int
    relu: bool


@dataclass
class MacroState:
    """State of a macro: its registers, and the queue of started tiles.

    Parameters
    ----------
    choice : MacroChoice
    acc_width : int
        Bits of a result, which wraps.
    """

    choice: MacroChoice
    acc_width: int
    tiles: deque[Tile] = field(default_factory=deque)

    def __post_init__(self) -> None:
        spec = self.choice.spec
        # Index ``adc_bits`` of a column is its base.
        self._values = np.zeros((spec.columns, spec.adc_bits + 1), dtype=np.int64)
        self._bow = np.zeros(1 << spec.adc_bits, dtype=np.int64)
        self._window: Window | None = None
        self._period = self._valid = 0

    def load(self, data: NDArray[np.uint8]) -> None:
        """Execute items.

        Raises
        ------
        ProgramError
            If an item names a missing register, or starts a tile before any window.
        """
        try:
            for kind, item in decode_items(data):
                self._take(kind, item)
        except (ValueError, IndexError) as error:
            raise ProgramError(f"items of the macro must be its own: {error}") from None

    def _take(self, kind: Item, item: dict[str, int]) -> None:
        match kind:
            case Item.REGISTER:
                self._values[item["column"], item["index"]] = item["value"]
            case Item.BOW:
                self._bow[item["index"]] = item["value"]
            case Item.WINDOW:
                self._set_window(item)
            case Item.TILE:
                if self._window is None:
                    raise ValueError("a tile must come behind a window")
                vectors, tokens = item["vectors"], item["tokens"]
                if vectors < tokens:
                    raise ValueError(f"vectors of a tile must be at least {tokens}, not {vectors}")
                hop = tokens * self.choice.spec.act_slices
                if item["hop"] != hop:
                    raise ValueError(f"hop of a tile must be {hop}, not {item['hop']}")
                self.tiles.append(
                    Tile(
                        registers=self._registers(),
                        window=self._window,
                        period=self._period,
                        valid=self._valid,
                        tokens=item["tokens"],
                        first=item["first"],
                        act_offset=item["act_offset"],
                        relu=bool(item["relu"]),
                    )
                )

    def _set_window(self, item: dict[str, int]) -> None:
        window = Window(step=item["step"], offset=item["offset"])
        if self.choice.spec.zero_skip:
            zero = zero_code(self.choice.spec, window)
            if item["zero"] != zero:
                raise ValueError(f"zero of a window must be {zero}, not {item['zero']}")
            if not 1 <= item["valid"] <= item["period"]:
                raise ValueError(f"valid must be 1 to {item['period']}, not {item['valid']}")
        self._window, self._period, self._valid = window, item["period"], item["valid"]

    def _registers(self) -> Registers:
        bits = self.choice.spec.adc_bits
        base, weights, bow = self._values[:, bits].copy(), self._values[:, :bits].copy(), self._bow
        codes = np.arange(1 << bits)[:, None] >> np.arange(bits) & 1
        thresholds = base[:, None] + weights @ codes.T + bow
        return Registers(base=base, weights=weights, bow=bow.copy(), thresholds=thresholds)

    def product(self, acts: Integers, weights: Integers, run: int) -> Integers:
        """Multiply activations ``[tokens, K]`` by weights ``[rows, K]``: ``[tokens, rows]``.

        Raises
        ------
        ProgramError
            If no item started a tile for them, or if activations exceed the macro's range.
        """
        if not self.tiles:
            raise ProgramError("weight tile of a macro must have an item that opens it")
        tile = self.tiles.popleft()
        if tile.tokens != len(acts):
            raise ProgramError(f"tile must be for {len(acts)} vectors, not {tile.tokens}")
        die = used_with(self.choice.make_die(), relu=tile.relu)
        acts = acts + tile.act_offset
        if die.spec.zero_skip:
            acts = np.where(np.arange(acts.shape[1]) % tile.period < tile.valid, acts, 0)
        if self.choice.paired:
            acts = paired_acts(acts, die.spec.depth)
            weights = paired_weights(weights, die.spec.depth)
        try:
            digits, factors = act_slices(acts, die.spec)
            slices = weight_slices(weights, die.spec)
        except ValueError as error:
            raise ProgramError(str(error)) from None
        layout = Layout(
            die=die,
            window=tile.window,
            when=When(tokens=tile.tokens, run=run, first=tile.first),
            registers=tile.registers,
            decode=None,
            slices=slices,
            act_digits=digits,
            act_factors=factors,
            keys=run_keys(die.noise_key, np.full(len(acts), run)),
            bias=None,
        )
        half = 1 << self.acc_width - 1
        wrapped: Integers = ((compute(layout).values + half) & (2 * half - 1)) - half
        return wrapped
