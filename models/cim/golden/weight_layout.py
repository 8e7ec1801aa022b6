"""Layout of a product on the macro: slices, tiles, and the number of every conversion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.cim.cim_spec import CimSpec
from models.cim.decompose import Digits, WeightSlices, act_slices, weight_slices
from models.cim.die import Die
from models.cim.golden.adc import Codes, Registers, Trim, Window, registers
from models.cim.noise import run_keys
from models.numerics.rescale import Integers

DECODE_BITS = 8
"""Fractional bits of a decoded code."""


@dataclass(frozen=True, kw_only=True)
class When:
    """Numbers of a product's conversions, which determine its noise.

    Parameters
    ----------
    tokens : int
        Activation vectors per run; the rows of a product are one or more runs.
    run : int
        Number of the first run.
    first : int
        Conversions of a column before this product in each run.
    """

    tokens: int
    run: int = 0
    first: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Product:
    """Result of a product on the macro.

    Attributes
    ----------
    values : int64 [n, out]
    conversions : int
        Conversions of a column per run, including skipped ones; added to ``first`` it gives
        ``first`` of the next product.
    """

    values: Integers
    conversions: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """Layout of a product on the macro, for the reference and for the fast implementation.

    A tile of outputs is the number of outputs whose slices fit the columns at once.
    """

    die: Die
    window: Window
    when: When
    registers: Registers
    decode: Integers | None
    slices: WeightSlices
    act_digits: NDArray[np.uint8]
    act_factors: Integers
    keys: NDArray[np.uint32]
    bias: Integers | None

    @classmethod
    def of(
        cls,
        acts: ArrayLike,
        weights: ArrayLike,
        die: Die,
        window: Window,
        when: When | None,
        decode: Integers | None,
        bias: ArrayLike | None,
        trim: Trim | None,
    ) -> Layout:
        """Check operands and split them into slices."""
        x, w = np.asarray(acts), np.asarray(weights)
        if x.ndim != 2 or w.ndim != 2 or x.shape[1] != w.shape[1]:
            raise ValueError(f"operands must be [n, k] and [out, k], not {x.shape} and {w.shape}")
        at = when or When(tokens=len(x))
        if at.tokens < 1 or len(x) % at.tokens:
            raise ValueError(f"tokens must divide {len(x)} vectors, not {at.tokens}")
        slices = weight_slices(w, die.spec)
        if len(slices.factors) > die.spec.columns:
            raise ValueError(
                f"columns must be at least the {len(slices.factors)} slices of a weight, "
                f"not {die.spec.columns}"
            )
        _check_whole(die.spec, window, x.shape[1], bias)
        if bias is not None and len(slices.factors) > 1:
            raise ValueError(
                f"product with a bias must have one column an output, not {len(slices.factors)}"
            )
        digits, factors = act_slices(x, die.spec)
        runs = at.run + np.arange(len(x)) // at.tokens
        return cls(
            die=die,
            window=window,
            when=at,
            registers=registers(die, window, trim),
            decode=decode,
            slices=slices,
            act_digits=digits,
            act_factors=factors,
            keys=run_keys(die.noise_key, runs),
            bias=None if bias is None else np.asarray(bias, np.int64) << die.spec.fraction,
        )

    @property
    def spec(self) -> CimSpec:
        """Spec of the macro."""
        return self.die.spec

    @property
    def rows(self) -> int:
        """Number of activation vectors."""
        return int(self.act_digits.shape[1])

    @property
    def outputs(self) -> int:
        """Number of outputs of the product."""
        return int(self.slices.digits.shape[1])

    @property
    def tiles(self) -> int:
        """Number of tiles of K."""
        return -(-int(self.act_digits.shape[2]) // self.spec.depth)

    @property
    def outputs_at_once(self) -> int:
        """Number of outputs in one tile."""
        return self.spec.columns // len(self.slices.factors)

    @property
    def count(self) -> int:
        """Conversions of a column per run."""
        groups = -(-self.outputs // self.outputs_at_once)
        return groups * self.tiles * self.when.tokens * len(self.act_factors)

    def tile_digits(self, tile: int, part: slice) -> tuple[Digits, Integers]:
        """Return digits ``[cols, k]`` of one tile and their columns.

        They are in the order output by output, and within an output slice by slice.
        """
        depth = self.spec.depth
        digits = self.slices.digits[:, part, tile * depth : (tile + 1) * depth]
        flat = digits.transpose(1, 0, 2).reshape(-1, digits.shape[2])
        return flat, np.arange(len(flat))

    def by_slice(self, outputs: int) -> Integers:
        """Return the order of a tile's columns slice by slice, and within a slice by output."""
        return np.arange(outputs * len(self.slices.factors)).reshape(outputs, -1).T.ravel()

    def tile_acts(self, tile: int, index: int) -> NDArray[np.uint8]:
        """Return digits ``[n, k]`` of activation slice ``index`` of one tile."""
        depth = self.spec.depth
        part: NDArray[np.uint8] = self.act_digits[index, :, tile * depth : (tile + 1) * depth]
        return part

    def conversions(self, number: int, index: int) -> Integers:
        """Return every vector's conversion number in tile ``number``, slice ``index``."""
        token = np.arange(self.rows) % self.when.tokens
        slices = len(self.act_factors)
        return self.when.first + (number * self.when.tokens + token) * slices + index

    def decoded(self, codes: Codes, columns: Integers) -> Integers:
        """Decode codes ``[cols, n]``, in 1/256 step."""
        if self.decode is None:
            return codes << DECODE_BITS
        value: Integers = self.decode[columns[:, None], codes]
        return value

    @property
    def zero(self) -> int:
        """Decoded value of a skipped conversion (no charge, no error), in 1/256 step."""
        return -(self.window.offset // self.window.step) << DECODE_BITS

    def skipped(self, tile: int, index: int) -> NDArray[np.bool_]:
        """Flag vectors whose digits of this and of all higher slices are zero in this tile."""
        depth = self.spec.depth
        rest = self.act_digits[index:, :, tile * depth : (tile + 1) * depth]
        return np.asarray(~rest.any(axis=(0, 2)))

    def combine(self, value: Integers, tile: int, part: slice) -> Integers:
        """Add the slices of every output: ``[cols, n]`` to ``[out, n]``."""
        factors = self.slices.factors
        cube = value.reshape(-1, len(factors), value.shape[1])
        summed: Integers = np.einsum("opn,p->on", cube, factors)
        if self.slices.signs is not None:
            summed = summed * self.slices.signs[part, tile, None]
        return summed

    def finish(self, total: Integers) -> Integers:
        """Convert sums of decoded codes ``[out, n]`` to products ``[n, out]``, rounded half up."""
        factors = int(self.act_factors.sum()) * int(self.slices.factors.sum())
        groups = self.tiles
        base = np.full(self.outputs, groups * factors, dtype=np.int64)
        if self.slices.signs is not None:
            base = factors * self.slices.signs.sum(1)
        shift = DECODE_BITS + self.spec.fraction
        fixed = (self.window.offset << DECODE_BITS) * base
        scaled = self.window.step * total + fixed[:, None] + (1 << shift - 1)
        return np.ascontiguousarray((scaled >> shift).T)


def zero_code(spec: CimSpec, window: Window) -> int:
    """Return the code of zero charge, which replaces a skipped conversion.

    Raises
    ------
    ValueError
        If it needs more than two bits beyond the converter's, the width of the macro's register.
    """
    zero, high = -(window.offset // window.step), 2 << spec.adc_bits
    if not -high <= zero < high:
        raise ValueError(f"code of zero must be {-high} to {high - 1}, not {zero}")
    return zero


def _check_whole(spec: CimSpec, window: Window, k: int, bias: ArrayLike | None) -> None:
    """Check what ReLU, a bias and zero skipping require of a product and its window."""
    whole = spec.single_conversion and k <= spec.depth
    if spec.relu and not whole:
        raise ValueError(f"product of a relu macro must be at most {spec.depth} deep, not {k}")
    if bias is not None and not whole:
        raise ValueError(f"product with a bias must be one conversion deep ({spec.depth}), not {k}")
    if spec.zero_skip and window.offset % window.step:
        raise ValueError(
            f"ADC offset of a macro that skips zeros must be a multiple of the step {window.step}, "
            f"not {window.offset}"
        )
