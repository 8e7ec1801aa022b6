"""Descriptors and parameters: every field comes back from its bits; what is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.machine.spec import MachineSpec
from models.machine.units import UNITS, Unit
from models.program.descriptor import (
    Descriptor,
    ProgramError,
    decode_descriptor,
    decode_program,
    encode_program,
)
from models.program.layout import (
    DESCRIPTOR_BYTES,
    FIELDS,
    HEADER,
    LOAD,
    PARAM_DRAIN,
    PARAM_NORM,
    PROGRAM_HEADER,
    VECTOR,
    VERSION,
    Field,
    pack,
    unpack,
    width,
)

LAYOUTS = {
    "header": HEADER,
    "program header": PROGRAM_HEADER,
    "drain parameters": PARAM_DRAIN,
    "norm parameters": PARAM_NORM,
    **{unit.name: FIELDS[unit] for unit in Unit},
}


def limits(field: Field) -> tuple[int, int]:
    """Smallest and largest value of a field."""
    if field.signed:
        return -(1 << field.bits - 1), (1 << field.bits - 1) - 1
    return 0, (1 << field.bits) - 1


def values(fields: Mapping[str, Field]) -> st.SearchStrategy[dict[str, int]]:
    """Values of all fields, often at their ends."""
    return st.fixed_dictionaries(
        {
            name: st.integers(*limits(field)) | st.sampled_from([*limits(field), 0])
            for name, field in fields.items()
        }
    )


@pytest.mark.parametrize("name", LAYOUTS)
def test_fields_lie_side_by_side(name: str) -> None:
    """Each field alone, all its bits set: together they fill the word without gap or overlap."""
    at = 0
    for field, kind in LAYOUTS[name].items():
        full = -1 if kind.signed else (1 << kind.bits) - 1
        word = pack(LAYOUTS[name], {field: full})
        assert word == ((1 << kind.bits) - 1) << at, f"{name}.{field} at bit {at}: {word:#x}"
        at += kind.bits
    assert at == width(LAYOUTS[name])


@pytest.mark.parametrize("name", LAYOUTS)
@settings(max_examples=40)
@given(data=st.data())
def test_round_trip(name: str, data: st.DataObject) -> None:
    wanted = data.draw(values(LAYOUTS[name]))
    word = pack(LAYOUTS[name], wanted)
    above = data.draw(st.integers(0, 255)) << width(LAYOUTS[name])
    assert unpack(LAYOUTS[name], word | above) == wanted


@pytest.mark.parametrize("name", LAYOUTS)
def test_values_out_of_range(name: str) -> None:
    for field, kind in LAYOUTS[name].items():
        low, high = limits(kind)
        for value in (low - 1, high + 1):
            text = f"descriptor field {field} must be {low} to {high}, not {value}"
            with pytest.raises(ValueError, match=re.escape(text)):
                pack(LAYOUTS[name], {field: value})


def test_unknown_field() -> None:
    with pytest.raises(ValueError, match=r"must be one of \['address'.*\], not 'adress'"):
        pack(LOAD, {"adress": 1})


def test_missing_fields_are_zero() -> None:
    assert unpack(VECTOR, pack(VECTOR, {})) == dict.fromkeys(VECTOR, 0)


def descriptors() -> st.SearchStrategy[Descriptor]:
    """Any descriptor."""
    some, tag = st.integers(0, (1 << UNITS) - 1), st.sampled_from([0, 1, 0xFFFF])
    return st.sampled_from([u for u in Unit if u is not Unit.END]).flatmap(
        lambda unit: st.builds(
            Descriptor,
            unit=st.just(unit),
            fields=values(FIELDS[unit]),
            wait=some,
            signal=some,
            tag=tag,
        )
    )


@settings(max_examples=60)
@given(program=st.lists(descriptors(), max_size=5))
def test_program_round_trip(program: list[Descriptor]) -> None:
    spec = MachineSpec()
    data = encode_program(spec, program)
    assert len(data) == DESCRIPTOR_BYTES * (len(program) + 2)
    assert decode_program(spec, data + b"constants") == program
    for index, one in enumerate(program):
        part = data[DESCRIPTOR_BYTES * (index + 1) :][:DESCRIPTOR_BYTES]
        assert part == one.encode()
        assert decode_descriptor(part) == one


def corrupt(data: bytes, at: int, value: bytes) -> bytes:
    """A program with some bytes replaced."""
    return data[:at] + value + data[at + len(value) :]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda d: d[:100], "program must be at least 128 bytes, not 100"),
        (lambda d: corrupt(d, 0, b"RWM2"), "program magic must be 0x314d5752, not 0x324d5752"),
        (
            lambda d: corrupt(d, 4, bytes([VERSION + 1])),
            f"program version must be {VERSION:#x}, not {VERSION + 1:#x}",
        ),
        (lambda d: corrupt(d, 8, bytes(4)), "program fingerprint must be 0x.*, not 0x0"),
        (lambda d: d[:-1], "program must hold 2 descriptors, not 1"),
        (lambda d: corrupt(d, 135, b"\1"), "program checksum must be 0x.*, not 0x"),
        (lambda d: corrupt(d, 12, bytes(8)), "program must end with an END descriptor"),
    ],
)
def test_programs_refused(change, text: str) -> None:  # type: ignore[no-untyped-def]
    spec = MachineSpec()
    data = change(encode_program(spec, [Descriptor(unit=Unit.STORE)]))
    with pytest.raises(ProgramError, match=text):
        decode_program(spec, data)


@pytest.mark.parametrize("unit", range(UNITS, Unit.END))
def test_unknown_unit(unit: int) -> None:
    with pytest.raises(ProgramError, match=f"unit must be one of 0-{UNITS - 1} or 7, not {unit}"):
        decode_descriptor(bytes([unit, *bytes(DESCRIPTOR_BYTES - 1)]))
