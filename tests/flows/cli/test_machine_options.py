"""A machine as a file and as options of verbs: what is taken, written and refused."""

from __future__ import annotations

import json
import shlex
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from flows.boards import find
from flows.cli import main, show_search
from flows.machine.default import default_machine
from flows.machine.machine_file import MachineFile, read_machine, write_machine
from flows.out_folder.build import load_built
from flows.search import find as finding
from flows.search.precisions import PRECISIONS
from models.machine.numbers import OPTIONS
from models.machine.spec import MachineSpec
from tests.support.onnx_files import OnnxFile

EXAMPLES = Path(__file__).parents[3] / "examples" / "fashion_mnist"
NETWORK = str(EXAMPLES / "resnet_int8.onnx")
SAMPLES = str(EXAMPLES / "samples.npz")
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A machine of half the default rate, at a clock of its own."""
    path = tmp_path / "machine.toml"
    spec = MachineSpec(tokens=1, depth=4096, classes=(("fixed8", 8),), vector_lanes=4)  # type: ignore[arg-type]
    write_machine(path, MachineFile(board=find("arty-z7-20"), clock_mhz=80, spec=spec))
    return path


def found(capsys: Capture, *arguments: str, status: int = 0) -> dict[str, Any]:
    """The object that ``--json`` prints."""
    assert main([*arguments, "--json"]) == status
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return printed


def fields(result: dict[str, Any], *names: str) -> tuple[object, ...]:
    return tuple(result["machine"][name] for name in names)


def test_a_file_gives_machine_board_and_clock(file: Path, capsys: Capture) -> None:
    result = found(capsys, "estimate", "--network", NETWORK, "--machine", str(file))
    assert fields(result, "tokens", "depth", "classes") == (1, 4096, ["fixed8:8"])
    assert (result["board"], result["assumed_clock_mhz"]) == ("arty-z7-20", 80)
    result = found(capsys, "estimate", "--machine", str(file), "--board", "pynq-z2", "--clock", "9")
    assert (result["board"], result["assumed_clock_mhz"]) == ("pynq-z2", 9)


def test_options_change_the_file_s_machine(file: Path, capsys: Capture) -> None:
    more = ("--set", "bank-words=8192", "--set", "rows=fixed8:4,pot4:4", "--depth", "1024")
    result = found(capsys, "estimate", "--machine", str(file), *more)
    assert fields(result, "tokens", "depth", "bank_words") == (1, 1024, 8192)
    assert result["machine"]["classes"] == ["fixed8:4", "pot4:4"]


def test_settings_without_a_file_are_options(capsys: Capture) -> None:
    by_option = found(capsys, "estimate", "--depth", "4096", "--rows", "8")
    assert found(capsys, "estimate", "--set", "depth=4096", "--set", "rows=8") == by_option
    assert by_option["machine"]["classes"] == []
    assert found(capsys, "estimate", "--part-sums", "0")["machine"]["part_sums"] == 0


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (("--set", "depth"), "--set must be NAME=VALUE, such as depth=4096, not 'depth'"),
        (("--set", "depht=8"), (f"--set must name one of rows, {', '.join(OPTIONS)}, not 'depht'")),
        (("--set", "depth=x"), "--set depth must be a whole number of 1 or more, not 'x'"),
        (("--set", "depth=8", "--depth", "16"),
         "depth must be given once, not by 'depth=8' as well"),
        (("--set", "depth=8", "--set", "depth=8"),
         "depth must be given once, not by 'depth=8' as well"),
        (("--set", "rows="), "--rows must have a value, such as fixed8:12,pot4:20 or 16"),
        (("--set", "rows=fixed8"),
         "--rows: rows must be FORMAT:COUNT pairs such as fixed8:12,pot4:20, not 'fixed8'"),
        (("--set", "depth=2050"), "depth must be a multiple of lanes = 8 up to 8192, not 2050"),
        (("--machine", "no.toml"), "cannot read no.toml: No such file or directory"),
        (("--board", "zcu"), "board must be a known one, not 'zcu'; did you mean zcu102?"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_a_line(more: tuple[str, ...], text: str, capsys: Capture) -> None:
    for verb in (["estimate"], ["build", "no.onnx", "--board", "arty-z7-20", "-o", "unused"]):
        assert main([*verb, *more]) == 2
        printed = capsys.readouterr()
        assert (printed.out, printed.err) == ("", f"rowmac: {text}\n")


def test_a_board_with_another_port_is_refused(file: Path, capsys: Capture) -> None:
    arguments = ["estimate", "--machine", str(file), "--board", "zcu102"]
    assert main(arguments) == 2
    assert capsys.readouterr().err == (
        f"rowmac: --board must be arty-z7-20, as in {file}, not zcu102: its memory port has 128 "
        "bits, and axi_width is 64\n"
    )
    assert main([*arguments, "--set", "axi_width=128"]) == 0


def test_what_is_wrong_in_a_file_names_it(file: Path, capsys: Capture) -> None:
    file.write_text(file.read_text().replace("depth = 4096", "depht = 4096"))
    assert main(["build", NETWORK, "--machine", str(file), "-o", "unused"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"rowmac: {file}: key must be one of machine.rows, ")
    assert said.endswith(", not machine.depht\n")


def test_estimate_ends_with_the_build_that_works(tmp_path: Path, capsys: Capture) -> None:
    arguments = ["estimate", "--network", NETWORK, "--set", "tokens=1", "--set", "vector_lanes=4"]
    assert main(arguments) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    out, machine = str(tmp_path / "a"), tmp_path / "b.toml"
    assert last.startswith(f"rowmac build {NETWORK} --board arty-z7-20 --rows fixed8:8 --lanes 8 ")
    assert main([*shlex.split(last.removesuffix("out"))[1:], out]) == 0
    capsys.readouterr()
    assert main([*arguments, "-o", str(machine)]) == 0
    wrote, last = capsys.readouterr().out.splitlines()[-2:]
    assert wrote == f"machine: {machine}"
    assert last == f"rowmac build {NETWORK} --machine {machine} -o out"
    other = str(tmp_path / "b")
    assert main([*shlex.split(last.removesuffix("out"))[1:], other]) == 0
    assert load_built(Path(out)).mapped.spec == load_built(Path(other)).mapped.spec


def test_no_build_of_what_cannot_be_built(tmp_path: Path, capsys: Capture) -> None:
    """A workload has no weights; a bus of another width is of no board."""
    machine = tmp_path / "machine.toml"
    result = found(capsys, "estimate", "--network", "resnet-8", "-o", str(machine))
    assert (result["build_command"], result["machine_file"]) == (None, str(machine))
    assert read_machine(machine).spec == default_machine(find("arty-z7-20"))
    result = found(capsys, "estimate", "--network", NETWORK, "--axi-width", "128")
    assert result["build_command"] is None


@pytest.mark.slow
def test_a_build_has_the_file_s_clock(file: Path, tmp_path: Path, capsys: Capture) -> None:
    output = tmp_path / "out"
    assert main(["build", NETWORK, "--machine", str(file), "-o", str(output)]) == 0
    assert "  machine  64 MAC/cycle at 80 MHz, " in capsys.readouterr().out
    built = load_built(output)
    assert built.board.clock_mhz == 80
    assert built.mapped.spec == read_machine(file).spec
    assert " 80000000u" in (output / "rowmac_map.h").read_text()


@pytest.mark.slow
def test_build_says_what_was_grown(tmp_path: Path, capsys: Capture) -> None:
    image = OnnxFile(shape=(1, 8, 3, 3))
    x = image.add("Conv", image.quantise("image"), image.weights((4200, 8, 3, 3)), name="wide")
    network = str(image.save(tmp_path, image.quantise(x)))
    output = ("--board", "arty-z7-20", "-o", str(tmp_path / "out"))
    assert main(["build", network, *output]) == 0
    why = "layer 'wide': channel parameters must be at most 512 entries, not 525"
    assert f"  machine  param_entries 1,024 instead of 512: {why}\n" in capsys.readouterr().out
    assert load_built(tmp_path / "out").mapped.spec.param_entries == 1024
    chosen = found(capsys, "estimate", "--network", network)["network"]["chosen"]
    assert chosen == [f"param_entries 1,024 instead of 512: {why}"]
    assert main(["estimate", "--network", network]) == 0
    assert f"  machine  {chosen[0]}\n" in capsys.readouterr().out
    # A machine that is given stays as it is.
    assert main(["build", network, *output, "--set", "lanes=8"]) == 2
    assert capsys.readouterr().err.endswith("; a machine with param_entries = 1024 would do\n")


@pytest.mark.slow
def test_search_writes_the_first_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    few = partial(finding.search, precisions=PRECISIONS[:1])
    monkeypatch.setattr(show_search, "search", few)
    machine = tmp_path / "machine.toml"
    arguments = ["search", "--network", NETWORK, "--board", "arty-z7-20", "--fps", "700"]
    assert main([*arguments, "--clock", "90", "--top", "2", "-o", str(machine)]) == 0
    *lines, wrote, last = capsys.readouterr().out.splitlines()
    assert wrote == f"machine: {machine}"
    assert last == f"rowmac build {NETWORK} --machine {machine} -o out"
    assert read_machine(machine).clock_mhz == 90
    assert sum(line.strip().startswith("rowmac build") for line in lines) == 1
    assert main(arguments) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    for command in (last, f"rowmac build {NETWORK} --machine {machine} -o out"):
        output = tmp_path / "out"
        assert main([*shlex.split(command.removesuffix("out"))[1:], str(output)]) == 0
        capsys.readouterr()
    assert load_built(output).mapped.spec == read_machine(machine).spec
    missed = [*arguments[:-1], "1e7", "-o", str(tmp_path / "none.toml")]
    assert found(capsys, *missed, status=1)["machine_file"] is None
    assert not (tmp_path / "none.toml").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("few_known_counts")
def test_a_machine_with_a_macro(tmp_path: Path, capsys: Capture) -> None:
    """As by --engine; what the file says is no option beside it."""
    machine, output = tmp_path / "machine.toml", tmp_path / "out"
    by_engine = found(
        capsys, "estimate", "--engine", "cim:relu-macro", "--network", NETWORK, "-o", str(machine)
    )
    by_file = found(capsys, "estimate", "--machine", str(machine), "--network", NETWORK)
    assert by_file["network"] == by_engine["network"]
    build = ["build", NETWORK, "--machine", str(machine), "-o", str(output)]
    for more, text in (
        ([], "a machine with a macro must come with --calibration X.npz"),
        (["--die", "3"], "--die must come with --engine cim:PRESET, not --machine"),
        (
            ["--engine", "cim:cap-ram"],
            "--engine must be the file's with --machine, not cim:cap-ram",
        ),
    ):
        assert main([*build, *more]) == 2
        assert capsys.readouterr().err == f"rowmac: {text}\n"
    assert main([*build, "--calibration", SAMPLES]) == 0
    assert load_built(output).mapped.spec == read_machine(machine).spec
    text = machine.read_text()
    # FORMS needs more columns a weight than one.
    machine.write_text(text.replace("relu-macro", "forms").replace("depth = 576", "depth = 512"))
    assert main(build) == 2
