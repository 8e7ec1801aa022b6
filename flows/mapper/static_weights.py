"""Static weights for row classes: check which classes fit, encode, fold zero points into bias."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from flows.mapper.place import MappingError
from flows.mapper.row_plan import RowPlan
from models.formats.row_classes import EXAMPLE
from models.machine.spec import MachineSpec
from models.numerics.rescale import Integers
from models.ops.requantize import Requantize

_HALF = 1 << 31


def fitting(
    spec: MachineSpec,
    weights: Integers,
    channel_of: Integers,
    formats: Sequence[str],
    *,
    filled: bool,
) -> NDArray[np.bool_]:
    """Return flags ``[columns, classes]``: the class represents the column's weights exactly.

    Parameters
    ----------
    weights : int array [channels, ...]
    filled : bool
        Beats are padded with zeros, so a class must represent 0 as well.
    channel_of : int array [columns]
        -1 for a column without a channel.
    formats : str for every channel
        Names of the rows' formats in the network file, for the error message.

    Raises
    ------
    MappingError
        If no class represents a row's weights.
    """
    tables = np.zeros((len(spec.classes), 256), dtype=bool)
    for index, kind in enumerate(spec.classes):
        inside = kind.grid[(kind.grid >= -128) & (kind.grid <= 127)]
        tables[index, inside + 128] = True
    # One element of a broadcast axis stands for all.
    places = tuple(slice(0, 1 if stride == 0 else None) for stride in weights.strides[1:])
    some = weights[:, *places] + 128
    inner = tuple(range(1, weights.ndim))
    good = np.stack(
        [table[some].all(axis=inner) & (table[128] or not filled) for table in tables], axis=1
    )
    bad = np.flatnonzero(~good.any(axis=1))
    if bad.size:
        row = weights[bad[0]]
        raise MappingError(
            f"row {bad[0]} of format {formats[bad[0]]} must fit one of the machine's row classes "
            f"({', '.join(k.format for k in spec.classes)}), not have {len(np.unique(row))} "
            f"different weights from {row.min()} to {row.max()}; for example --rows {EXAMPLE}"
        )
    fits: NDArray[np.bool_] = np.where(channel_of[:, None] >= 0, good[channel_of], False)
    return fits


def weight_codes(spec: MachineSpec, weights: Integers, channels: Integers) -> NDArray[np.uint8]:
    """Encode weights as bytes ``[tiles, rows, K]``; zeros for idle rows.

    Parameters
    ----------
    channels : int array [tiles, rows]
        Channel of every result in drain order; -1 for an idle row.
    """
    tiles, rows = channels.shape
    codes = np.zeros((tiles, rows, weights.shape[1]), dtype=np.uint8)
    formats = spec.row_formats
    for place, row in enumerate(spec.drain_order):
        used = np.flatnonzero(channels[:, place] >= 0)
        chosen = weights[channels[used, place]]
        codes[used, row] = formats[row].encode(chosen) if formats else chosen.astype(np.uint8)
    return codes


def weight_stream(spec: MachineSpec, codes: NDArray[np.uint8]) -> bytes:
    """Pack codes ``[tiles, rows, K]`` into the words of the weight stream.

    Without row classes: entry after entry, row after row. With row classes a word holds the same
    entry of as many rows of a class as fit; the stream goes group of rows by group of rows.
    """
    if not spec.classes:
        return codes.tobytes()
    parts, at = [], 0
    for kind in spec.classes:
        together = kind.rows_per_word(spec.tokens)
        rows = np.pad(codes[:, at : at + kind.rows], ((0, 0), (0, -kind.rows % together), (0, 0)))
        groups = rows.reshape(len(rows), -1, together, rows.shape[2] // spec.lanes, spec.lanes)
        per_byte = 8 // kind.slot
        digits = groups.swapaxes(2, 3).reshape(len(rows), -1, per_byte)
        shifts = kind.slot * np.arange(per_byte, dtype=np.uint8)
        parts.append(np.bitwise_or.reduce(digits << shifts, axis=2))
        at += kind.rows
    return np.concatenate(parts, axis=1).astype(np.uint8).tobytes()


def stream_bytes(spec: MachineSpec, tiles: int, entries: int) -> int:
    """Return the bytes of :func:`weight_stream` for a number of tiles and of beats of K."""
    if not spec.classes:
        return tiles * spec.rows * entries * spec.lanes
    rows = 0
    for kind in spec.classes:
        together = kind.rows_per_word(spec.tokens)
        rows += -(-kind.rows // together) * together * kind.slot
    return tiles * rows * entries * spec.lanes // 8


def folded(requantize: Requantize, weights: Integers, zero: int) -> Requantize:
    """Return a requantiser with the activations' zero point folded into its bias.

    ``sum (x - zero) w = sum x w - zero sum w``; the code of padding is ``zero``.

    Raises
    ------
    MappingError
        If a bias exceeds 32 bits.
    """
    bias = np.broadcast_to(requantize.bias, len(weights))
    if zero:
        bias = bias - zero * weights.sum(axis=tuple(range(1, weights.ndim)))
    if bias.min() < -_HALF or bias.max() >= _HALF:
        raise MappingError("bias, with the zero point folded in, must fit 32 bits")
    return replace(requantize, bias=bias)


def row_use(spec: MachineSpec, plan: RowPlan) -> dict[str, float]:
    """Return the share of each class' rows that are not idle, over all tiles."""
    used = np.zeros(spec.rows)
    full = plan.columns.shape[1] == spec.rows
    used[list(spec.drain_order) if full else slice(plan.columns.shape[1])] = (
        plan.columns >= 0
    ).mean(axis=0)
    shares, at = {}, 0
    for kind in spec.classes:
        shares[kind.format] = float(used[at : at + kind.rows].mean())
        at += kind.rows
    return shares
