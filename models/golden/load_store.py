"""Golden load and store units."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from models.golden.state import MachineState
from models.program.descriptor import ProgramError
from models.program.layout import PARAM_BYTES, LoadTarget


def load(state: MachineState, fields: Mapping[str, int]) -> None:
    """Copy ``beats`` bus beats from a window to an on-chip target.

    The beats of a last incomplete word (or parameter) are read and dropped.
    """
    spec = state.spec
    data = state.window(fields["window"], fields["offset"], fields["beats"] * spec.axi_bytes)
    target, address = LoadTarget(fields["target"]), fields["address"]
    if target in (LoadTarget.SCRATCHPAD, LoadTarget.WEIGHTS):
        whole = len(data) // spec.word_pitch * spec.word_pitch
        words = data[:whole].reshape(-1, spec.word_pitch)[:, : spec.word_bytes]
        if target is LoadTarget.WEIGHTS:
            state.weight_words.extend(words.copy())
            return
        if len(words):
            state.check(np.array([address, address + len(words) - 1]))
        state.scratchpad[address : address + len(words)] = words
    elif target is LoadTarget.PARAMS:
        whole = len(data) // PARAM_BYTES * PARAM_BYTES
        channels = data[:whole].reshape(-1, PARAM_BYTES)[:, :9]
        flat = state.params.reshape(-1, 9)
        start = address * spec.vector_lanes
        if len(channels) and start + len(channels) > len(flat):
            raise ProgramError(
                f"parameters must end inside {spec.param_entries} entries, not at channel "
                f"{start + len(channels)}"
            )
        flat[start : start + len(channels)] = channels
    elif target is LoadTarget.ENGINE:
        assert state.macro is not None
        state.macro.load(data)
    elif target is LoadTarget.ORDER:
        whole = len(data) // spec.word_pitch * spec.word_pitch
        order = data[:whole].reshape(-1, spec.word_pitch)[:, : spec.word_bytes]
        if len(order) and address + len(order) > len(state.order):
            raise ProgramError(
                f"row order must end inside {len(state.order)} entries, not at "
                f"{address + len(order)}"
            )
        state.order[address : address + len(order)] = order
    else:
        entries = data.view("<u2").astype(np.int64)
        table = state.function_table if target is LoadTarget.FUNCTION_TABLE else state.row_table
        if address + len(entries) > len(table):
            raise ProgramError(
                f"table must end inside {len(table)} entries, not at {address + len(entries)}"
            )
        table[address : address + len(entries)] = entries


def store(state: MachineState, fields: Mapping[str, int]) -> None:
    """Copy scratchpad words to a window; padding bytes between words stay unchanged."""
    spec = state.spec
    words = state.words(np.arange(fields["address"], fields["address"] + fields["words"]))
    data = state.window(fields["window"], fields["offset"], len(words) * spec.word_pitch)
    data.reshape(-1, spec.word_pitch)[:, : spec.word_bytes] = words
