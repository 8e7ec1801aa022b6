"""Descriptors as Python values, and the encoded program around them."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.program.layout import (
    DESCRIPTOR_BYTES,
    FIELDS,
    HEADER,
    MAGIC,
    PROGRAM_HEADER,
    VERSION,
    pack,
    unpack,
)


class ProgramError(ValueError):
    """A program that the machine would refuse."""


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """One instruction of a unit.

    Parameters
    ----------
    unit : Unit
    fields : dict
        Values of the unit's fields (see :mod:`models.program.layout`); missing ones are 0.
    wait : int
        Bit ``p`` set: take one token that unit ``p`` gave to this unit before starting.
    signal : int
        Bit ``c`` set: give one token to unit ``c`` when done.
    tag : int
        Number of the operator it belongs to, 16 bits, for errors and reports.
    """

    unit: Unit
    fields: Mapping[str, int] = field(default_factory=dict)
    wait: int = 0
    signal: int = 0
    tag: int = 0

    def encode(self) -> bytes:
        """Encode the descriptor in 128 bytes."""
        header = {"unit": self.unit, "wait": self.wait, "signal": self.signal, "tag": self.tag}
        word = pack(HEADER, header) | pack(FIELDS[self.unit], self.fields) << 32
        return word.to_bytes(DESCRIPTOR_BYTES, "little")


def decode_descriptor(data: bytes) -> Descriptor:
    """Decode a descriptor: the inverse of :meth:`Descriptor.encode`.

    Raises
    ------
    ProgramError
        If the unit code is unknown.
    """
    word = int.from_bytes(data, "little")
    header = unpack(HEADER, word)
    if header["unit"] not in set(Unit):
        raise ProgramError(f"descriptor unit must be one of 0-4 or 7, not {header['unit']}")
    unit = Unit(header["unit"])
    return Descriptor(
        unit=unit,
        fields=unpack(FIELDS[unit], word >> 32),
        wait=header["wait"],
        signal=header["signal"],
        tag=header["tag"],
    )


def encode_program(spec: MachineSpec, descriptors: Sequence[Descriptor]) -> bytes:
    """Encode header, descriptors and ``END``.

    The header has the size of one descriptor; the checksum is CRC-32 over the descriptors.
    """
    body = b"".join(d.encode() for d in (*descriptors, Descriptor(unit=Unit.END)))
    header = pack(
        PROGRAM_HEADER,
        {
            "magic": MAGIC,
            "version": VERSION,
            "fingerprint": spec.fingerprint,
            "descriptors": len(body) // DESCRIPTOR_BYTES,
            "checksum": zlib.crc32(body),
        },
    )
    return header.to_bytes(DESCRIPTOR_BYTES, "little") + body


def decode_program(spec: MachineSpec, data: bytes) -> list[Descriptor]:
    """Decode the descriptors of a program, without ``END``.

    Raises
    ------
    ProgramError
        If magic, version, fingerprint, length or checksum is wrong.
    """
    if len(data) < DESCRIPTOR_BYTES:
        raise ProgramError(f"program must be at least {DESCRIPTOR_BYTES} bytes, not {len(data)}")
    header = unpack(PROGRAM_HEADER, int.from_bytes(data[:DESCRIPTOR_BYTES], "little"))
    for name, want in (("magic", MAGIC), ("version", VERSION), ("fingerprint", spec.fingerprint)):
        if header[name] != want:
            raise ProgramError(f"program {name} must be {want:#x}, not {header[name]:#x}")
    count = header["descriptors"]
    body = data[DESCRIPTOR_BYTES : DESCRIPTOR_BYTES * (count + 1)]
    if len(body) < DESCRIPTOR_BYTES * count:
        raise ProgramError(
            f"program must hold {count} descriptors, not {len(body) // DESCRIPTOR_BYTES}"
        )
    if zlib.crc32(body) != header["checksum"]:
        raise ProgramError(
            f"program checksum must be {header['checksum']:#010x}, not {zlib.crc32(body):#010x}"
        )
    parts = [
        decode_descriptor(body[i : i + DESCRIPTOR_BYTES])
        for i in range(0, len(body), DESCRIPTOR_BYTES)
    ]
    if not parts or parts[-1].unit is not Unit.END:
        raise ProgramError("program must end with an END descriptor")
    return parts[:-1]
