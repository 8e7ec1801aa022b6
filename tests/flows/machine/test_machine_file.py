"""``machine.toml``: what is written is read again, and what is wrong is told by its key."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.boards import BOARDS, find
from flows.errors import UserError
from flows.machine.default import default_machine
from flows.machine.machine_file import MachineFile, machine_toml, read_machine, write_machine
from models.cim.choice import MacroChoice
from models.formats import FORMATS
from models.formats.row_classes import RowClass
from models.machine.numbers import OPTIONS
from models.machine.rules import DEPTH_MAX
from models.machine.spec import MachineSpec
from tests.models.machine.test_machine_spec import any_spec

KEYS = ", ".join(f"machine.{name}" for name in OPTIONS)
HEAD = 'version = 1\nboard = "arty-z7-20"\n'


@st.composite
def classed(draw: st.DrawFn) -> MachineSpec:
    """Machines with one to three row classes, fixed ones first."""
    lanes, tokens, vector_lanes = draw(st.sampled_from([(8, 2, 4), (16, 4, 8), (12, 3, 2)]))
    names = draw(st.lists(st.sampled_from(sorted(FORMATS)), min_size=1, max_size=3, unique=True))
    names.sort(key=lambda name: not FORMATS[name].fixed)
    counts = [vector_lanes * draw(st.integers(1, 4)) for _ in names]
    classes = tuple(RowClass(*pair) for pair in zip(names, counts, strict=True))
    depth = lanes * draw(st.integers(2, DEPTH_MAX // lanes))
    return MachineSpec(
        lanes=lanes, tokens=tokens, rows=sum(counts), vector_lanes=vector_lanes, depth=depth,
        act_bits=draw(st.integers(4, 8)), classes=classes,
    )  # fmt: skip


def around(macro: MacroChoice, axi_width: int) -> MachineSpec:
    return MachineSpec(
        tokens=1, lanes=16, rows=16, vector_lanes=8, depth=256, axi_width=axi_width, macro=macro
    )


MACROS = st.builds(
    around,
    st.builds(
        MacroChoice, preset=st.just("relu-macro"), columns=st.just(16), slices=st.just(1),
        adc_bits=st.integers(0, 6), die=st.integers(0, 10**9 - 1), static=st.booleans(),
        dynamic=st.booleans(),
    ),
    st.sampled_from([32, 64, 128]),
)  # fmt: skip


@given(
    spec=st.one_of(any_spec(), classed(), MACROS),
    board=st.sampled_from(BOARDS),
    clock=st.floats(1e-6, 999_999_999.0) | st.integers(1, 10**6).map(float),
)
def test_round_trip(
    spec: MachineSpec, board: object, clock: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    machine = MachineFile(board=board, clock_mhz=clock, spec=spec)  # type: ignore[arg-type]
    file = tmp_path_factory.getbasetemp() / "machine.toml"
    write_machine(file, machine)
    found = read_machine(file)
    assert found == machine
    assert machine_toml(found) == file.read_text()


def test_every_field_of_a_machine_is_in_the_file() -> None:
    text = machine_toml(
        MachineFile(board=find("zcu102"), clock_mhz=150, spec=around(
            MacroChoice(preset="relu-macro", columns=16, slices=1), 128))
    )  # fmt: skip
    names = {one.name for one in fields(MachineSpec)} - {"classes", "macro"}
    names |= {one.name for one in fields(MacroChoice)}
    assert [name for name in names if f"\n{name} = " not in text] == []


def write(folder: Path, text: str) -> Path:
    file = folder / "machine.toml"
    file.write_text(text)
    return file


def test_what_is_left_out_is_the_boards(tmp_path: Path) -> None:
    board = find("zcu102")
    file = write(tmp_path, 'version = 1\nboard = "zcu102"\n')
    assert read_machine(file) == MachineFile(
        board=board, clock_mhz=board.clock_mhz, spec=default_machine(board)
    )
    file = write(tmp_path, 'version = 1\nboard = "zcu102"\nclock_mhz = 80\n[machine]\nrows = 16\n')
    found = read_machine(file)
    assert found.clock_mhz == 80
    assert found.spec == replace(default_machine(board), classes=())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "version must be a whole number, not left out"),
        ('version = "1"', "version must be a whole number, not '1'"),
        ("version = true", "version must be a whole number, not true"),
        ("version = 2\nnews = 1", "version must be 1, not 2"),
        ("version = 1", "board must be a text, not left out"),
        ('version = 1\nboard = "arty-z7-10"',
         "board must be a known one, not 'arty-z7-10'; did you mean arty-z7-20?"),
        (HEAD + "clock = 100",
         "key must be one of version, board, clock_mhz, machine, macro, not clock"),
        (HEAD + "clock_mhz = 0", "clock_mhz must be a number of MHz above 0, not 0"),
        (HEAD + "clock_mhz = inf", "clock_mhz must be a number of MHz above 0, not inf"),
        (HEAD + 'clock_mhz = "fast"', "clock_mhz must be a number of MHz above 0, not 'fast'"),
        (HEAD + f"clock_mhz = 0x{'f' * 5000}",
         "clock_mhz must be a number of MHz above 0, not such a large number"),
        (HEAD + "machine = 3", "machine must be a table, not 3"),
        (HEAD + "[machine]\nclasses = 8",
         f"key must be one of machine.rows, {KEYS}, not machine.classes"),
        (HEAD + '[machine]\ndepth = "4096"', "machine.depth must be a whole number, not '4096'"),
        (HEAD + "[machine]\ndepth = 4096.0", "machine.depth must be a whole number, not 4096.0"),
        (HEAD + "[machine]\ndepth = [1]", "machine.depth must be a whole number, not a list"),
        (HEAD + "[machine]\ndepth = 1000000000",
         "machine.depth must be a whole number of up to 9 digits"),
        (HEAD + "[machine]\ndepth = 2050",
         "depth must be a multiple of lanes = 8 up to 8192, not 2050"),
        (HEAD + "[machine]\ndepth = 0", "depth must be a positive whole number, not 0"),
        (HEAD + "[machine]\nrows = 8.0",
         ("machine.rows must be row classes such as fixed8:12,pot4:20, or a number of plain rows, "
         "not 8.0")),
        (HEAD + '[machine]\nrows = "fixed9:8"', "row format must be one of fixed2, fixed3,"),
        (HEAD + '[macro]\npreset = "relu-macro"',
         "macro.columns must be a whole number, not left out"),
        (HEAD + '[macro]\npreset = "nobody"\ncolumns = 16\nslices = 1',
         "preset must be one of cap-ram,"),
        (HEAD + '[macro]\npreset = "relu-macro"\ncolumns = 0\nslices = 1',
         "macro.columns must be a positive whole number, not 0"),
        (HEAD + '[macro]\npreset = "relu-macro"\ncolumns = 16\nslices = 1\nstatic = 1',
         "macro.static must be true or false, not 1"),
        (HEAD + '[macro]\npreset = "relu-macro"\ncolumns = 16\nslices = 1\nbits = 1',
         ("key must be one of macro.preset, macro.columns, macro.slices, macro.adc_bits, "
         "macro.die, macro.static, macro.dynamic, not macro.bits")),
        (HEAD + '[machine]\nrows = 8\n[macro]\npreset = "relu-macro"\ncolumns = 16\nslices = 1',
         "machine.rows must be the macro's 16 outputs, not 8"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_by_its_key(text: str, said: str, tmp_path: Path) -> None:
    file = write(tmp_path, text)
    with pytest.raises(UserError) as error:
        read_machine(file)
    assert str(error.value).startswith(f"{file}: {said}")


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"machine", "must be a TOML file: "), (b"\xff", "must be a TOML file: ")],
)
def test_what_is_no_toml(content: bytes, said: str, tmp_path: Path) -> None:
    file = tmp_path / "machine.toml"
    with pytest.raises(UserError, match="^cannot read .*: No such file or directory$"):
        read_machine(file)
    file.write_bytes(content)
    with pytest.raises(UserError) as error:
        read_machine(file)
    assert str(error.value).startswith(f"{file} {said}")
