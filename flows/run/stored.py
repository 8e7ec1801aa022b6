"""Bytes of memory that a program may write: those that its stores name, and no others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flows.mapper import MappedNetwork
from models.machine.units import Unit
from models.program.descriptor import decode_descriptor
from models.program.layout import DESCRIPTOR_BYTES, HEADER

__all__ = ["stored_bytes"]


def stored_bytes(network: MappedNetwork, window: int, size: int) -> NDArray[np.bool_]:
    """Flag per byte of a window of ``size`` bytes: a store of the program writes it.

    A store writes the bytes of its words, not those between one word and the next.
    """
    spec = network.spec
    end = (network.descriptors + 1) * DESCRIPTOR_BYTES
    program = network.image[DESCRIPTOR_BYTES:end].reshape(-1, DESCRIPTOR_BYTES)
    written = np.zeros(size, dtype=np.bool_)
    unit = (1 << HEADER["unit"].bits) - 1
    for row in program[program[:, 0] & unit == Unit.STORE]:
        fields = decode_descriptor(row.tobytes()).fields
        if fields["window"] == window:
            first, words = fields["offset"], fields["words"]
            part = written[first : first + words * spec.word_pitch]
            part.reshape(words, spec.word_pitch)[:, : spec.word_bytes] = True
    return written
