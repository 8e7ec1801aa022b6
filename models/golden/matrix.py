"""Golden weight and matrix units: weight tiles, activation walks, exact products."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.golden.state import MachineState
from models.machine.spec import MachineSpec
from models.numerics.rescale import Integers
from models.ops.convolution import matmul_exact
from models.program.descriptor import ProgramError
from models.program.layout import WeightSource


def weight(state: MachineState, fields: Mapping[str, int]) -> None:
    """Fill weight tiles ``[rows, entries * lanes]`` from the stream or the scratchpad."""
    spec = state.spec
    entries, tiles = fields["entries"], fields["tiles"]
    if entries > spec.depth_entries:
        raise ProgramError(f"weight entries must be at most {spec.depth_entries}, not {entries}")
    source = WeightSource(fields["source"])
    if source is WeightSource.STREAM and spec.classes:
        state.tiles.extend(_decoded(spec, _streamed(state, tiles, entries)))
        return
    if source is WeightSource.STREAM:
        total = tiles * spec.rows * entries
        count = -(-total // spec.tokens)
        words = np.stack([state.weight_words.popleft() for _ in range(count)])
        flat = words.reshape(-1)[: total * spec.lanes].view(np.int8).astype(np.int64)
        state.tiles.extend(flat.reshape(tiles, spec.rows, entries * spec.lanes))
        return
    valid = (entries - 1) * spec.lanes + fields["last_lanes"]
    if source is WeightSource.DIRECT:
        rows = np.arange(fields["rows"])
        words_per_row = -(-entries // spec.tokens)
        at = fields["base"] + rows[:, None] * fields["stride"] + np.arange(words_per_row)
        matrix = _codes(state.words(at)).reshape(len(rows), -1)[:, :valid]
    else:
        tokens = np.arange(valid)
        words_per_token = -(-fields["rows"] // spec.word_bytes)
        at = fields["base"] + tokens[:, None] * fields["stride"] + np.arange(words_per_token)
        matrix = _codes(state.words(at)).reshape(valid, -1)[:, : fields["rows"]].T
    if not spec.classes:
        matrix = matrix - fields["zero"]
    held = spec.dynamic_rows
    full = np.zeros((tiles * held, entries * spec.lanes), dtype=np.int64)
    full[: len(matrix), :valid] = matrix[: len(full)]
    state.tiles.extend(_decoded(spec, full.reshape(tiles, held, -1)))


def _streamed(state: MachineState, tiles: int, entries: int) -> Integers:
    """Read codes ``[tiles, rows, K]`` from the stream; a word holds an entry of several rows."""
    spec = state.spec
    found = []
    for _ in range(tiles):
        for kind in spec.classes:
            together = kind.rows_per_word(spec.tokens)
            groups = -(-kind.rows // together)
            words = np.stack([state.weight_words.popleft() for _ in range(groups * entries)])
            digits = np.unpackbits(words, bitorder="little").reshape(-1, kind.slot)
            codes = digits.astype(np.int64) @ (1 << np.arange(kind.slot))
            rows = codes.reshape(groups, entries, together, spec.lanes).transpose(0, 2, 1, 3)
            found.append(rows.reshape(groups * together, -1)[: kind.rows])
    return np.concatenate(found).reshape(tiles, spec.rows, -1)


def _decoded(spec: MachineSpec, tiles: Integers) -> Integers:
    """Decode the rows' codes to weights ``[tiles, rows, K]``."""
    if not spec.classes:
        return tiles
    weights = np.empty_like(tiles)
    for row, kind in enumerate(spec.row_formats[: tiles.shape[1]]):
        weights[:, row] = kind.decode(tiles[:, row])
        if weights[:, row].min() < kind.grid[0]:
            raise ProgramError(
                f"weights of a {kind.format} row must be {kind.grid[0]} at least, not "
                f"{weights[:, row].min()}"
            )
    return weights


def walk(state: MachineState, fields: Mapping[str, int]) -> tuple[Integers, Integers]:
    """Return the operands of every token's K loop ``[tokens, K]``, and the addresses read."""
    spec = state.spec
    token = np.arange(fields["tokens"])
    oy, ox = np.divmod(token, fields["width"])
    ky, kx = np.divmod(np.arange(fields["kernel_y"] * fields["kernel_x"]), fields["kernel_x"])
    iy = fields["start_y"] + oy[:, None] * fields["stride_y"] + ky * fields["dilation_y"]
    ix = fields["start_x"] + ox[:, None] * fields["stride_x"] + kx * fields["dilation_x"]
    inside = (iy >= 0) & (iy < fields["in_height"]) & (ix >= 0) & (ix < fields["in_width"])
    # The hardware adds the line step instead of the token step after the last token of a line.
    line = (fields["width"] - 1) * fields["token_step"] + fields["line_step"]
    tap_line = (fields["kernel_x"] - 1) * fields["tap_step"] + fields["tap_line_step"]
    start = fields["base"] + oy * line + ox * fields["token_step"]
    tap = ky * tap_line + kx * fields["tap_step"]
    at = start[:, None] + tap
    words = np.arange(fields["words"])
    addresses = np.where(inside, at, 0)[:, :, None] + words * inside[:, :, None]
    codes = _codes(state.words(addresses))
    if spec.classes:
        # Zero points are folded into the bias, so padding is the zero point.
        codes = _narrow(np.where(inside[:, :, None, None], codes, fields["zero"]), spec.act_bits)
    else:
        codes = (codes - fields["zero"]) * inside[:, :, None, None]
    lanes = ((fields["words"] - 1) * spec.tokens + fields["last_beats"]) * spec.lanes
    x = codes.reshape(len(token), len(ky), -1)[:, :, :lanes].reshape(len(token), -1)
    return x, addresses


def matrix(state: MachineState, fields: Mapping[str, int]) -> None:
    """Multiply every token's receptive field by every tile, to one block of accumulators.

    Its columns are in drain order.
    """
    x, _ = walk(state, fields)
    blocks = []
    order = list(state.spec.drain_order)
    for _ in range(fields["tiles"]):
        tile = state.tiles.popleft()
        if tile.shape[1] != x.shape[1]:
            raise ProgramError(f"weight tile must be {x.shape[1]} deep, not {tile.shape[1]}")
        if state.macro is not None and len(tile) == state.spec.rows:
            blocks.append(state.macro.product(x, tile, state.run))
            continue
        block = matmul_exact(x, tile.T)
        # A short tile is drained in row order.
        blocks.append(block[:, order] if len(tile) == len(order) else block)
    state.accumulators.append(np.concatenate(blocks, axis=1))


def _narrow(codes: Integers, bits: int) -> Integers:
    """Truncate codes to their lowest bits, two's complement."""
    half = 1 << bits - 1
    return ((codes + half) & (2 * half - 1)) - half


def _codes(words: NDArray[np.uint8]) -> Integers:
    return words.view(np.int8).astype(np.int64)
