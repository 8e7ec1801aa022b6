import importlib
import json
import pkgutil
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

import flows.cli
from flows.boards import BOARDS
from flows.cli import boards, main
from flows.cli.main import VERBS
from flows.cli.operators import CONDITIONS
from flows.errors import RunError, UserError
from flows.onnx_import import SUPPORTED
from tests.support.pages import PAGES, ROOT

HEAVY = {"numpy", "amaranth", "onnx", "cocotb", "cocotb_tools", "rich", "hdl", "sim", "torch"}
Capture = pytest.CaptureFixture[str]
NAMES = [verb.__name__.rpartition(".")[2] for verb in VERBS]


def rowmac(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = "import sys; from flows.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [["--help"], ["boards"], ["boards", "--json"]])
def test_nothing_heavy_is_imported(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom flows.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert {"flows", "argparse"} <= loaded
    assert not loaded & HEAVY


def test_start_up_takes_well_under_half_a_second() -> None:
    """The best of several, in processor time: the machine may be busy with other things."""
    import resource

    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert rowmac("boards").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(5)) < 0.35


def test_every_verb_is_in_the_list() -> None:
    modules = [one.name for one in pkgutil.iter_modules(flows.cli.__path__)]
    verbs = {n for n in modules if hasattr(importlib.import_module(f"flows.cli.{n}"), "HELP")}
    missing = sorted(verbs - set(NAMES))
    assert not missing, f"VERBS of flows/cli/main.py must have {missing}; see docs/how-to/verb.md"


@pytest.mark.parametrize("name", NAMES)
def test_every_verb_is_shown_and_tested(name: str) -> None:
    pages = (page.read_text() for page in PAGES if page != ROOT / "CHANGELOG.md")
    shown = any(re.search(rf"rowmac {name}\b", text) for text in pages)
    assert shown, f"README.md or a page of docs/guides must show 'rowmac {name}'"
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    tried = f'["{name}"' in tests
    assert tried, f"a test in tests/flows/cli must call main(['{name}', ...])"


def test_boards(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"floor_mhz": 137.0, "floor_ns": 7.3, "measured": "2026-11-30", "hardware": "x"}
    monkeypatch.setattr(boards, "board_floor", lambda _: {**known, "stale": False})
    assert main(["boards"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "137 MHz, 2026-11-30 " in lines[2]
    assert [line.split()[0] for line in lines[2:-1]] == [board.name for board in BOARDS]
    assert lines[-1].startswith("floor: static timing floor of the default machine with ideal")
    assert "xc7z020clg400-1" in lines[2]


def test_a_floor_of_former_hardware_is_told(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"floor_mhz": 137.0, "floor_ns": 7.3, "measured": "2026-11-30", "hardware": "x"}
    monkeypatch.setattr(boards, "board_floor", lambda _: {**known, "stale": True})
    assert main(["boards"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "137 MHz, 2026-11-30, stale" in lines[2]
    assert lines[-1] == (
        "stale: the hardware has changed since; to repeat it: "
        "python -m benchmarks.timing --machines arty,zcu102 --store"
    )


def test_operators(capsys: Capture) -> None:
    assert main(["operators"]) == 0
    lines = capsys.readouterr().out.splitlines()[2:]
    listed = [line.split()[0] for line in lines]
    assert {"Conv", "MatMul", "Softmax", "LayerNormalization", "Gelu"} <= set(listed)
    assert listed == sorted(listed)
    assert main(["operators", "--json"]) == 0
    conditions = {name: text for name, text in CONDITIONS.items() if name in listed}
    assert json.loads(capsys.readouterr().out) == {"operators": listed, "conditions": conditions}
    for line, name in zip(lines, listed, strict=True):
        assert line.removeprefix(name).strip() == conditions.get(name, "")


def test_conditions_are_of_operators_that_are_listed() -> None:
    assert set(CONDITIONS) <= SUPPORTED


def test_boards_as_json_is_one_object(capsys: Capture) -> None:
    assert main(["boards", "--json"]) == 0
    out = capsys.readouterr()
    listed = json.loads(out.out)["boards"]
    assert [one["name"] for one in listed] == [board.name for board in BOARDS]
    assert listed[0]["resources"]["dsps"] == 220
    assert out.err == ""


CHOICES = ", ".join(repr(name) for name in NAMES)
USAGE = [
    ([], "the following arguments are required: VERB (see rowmac --help)"),
    (
        ["bulid"],
        f"argument VERB: invalid choice: 'bulid' (choose from {CHOICES}) (see rowmac --help)",
    ),
    (
        ["build"],
        "the following arguments are required: NETWORK, -o/--output (see rowmac build --help)",
    ),
    (
        ["build", "a.onnx", "-o", "out"],
        "--board NAME must be given (see rowmac boards), or --machine FILE",
    ),
    (
        ["build", "a.onnx", "--board", "arty-z7-10", "-o", "out"],
        "board must be a known one, not 'arty-z7-10'; did you mean arty-z7-20?",
    ),
    (
        ["simulate", "out", "--inputs", "a.npz", "--count", "0"],
        """argument --count: must be a whole number of 1 or more, not '0' \
(see rowmac simulate --help)""",
    ),
    (
        ["simulate", "out", "--inputs", "a.npz", "--count", "two"],
        """argument --count: must be a whole number of 1 or more, not 'two' \
(see rowmac simulate --help)""",
    ),
    (["boards", "extra"], "unrecognized arguments: extra (see rowmac --help)"),
]


@pytest.mark.parametrize(("arguments", "line"), USAGE)
def test_usage_errors_are_one_line(arguments: Sequence[str], line: str, capsys: Capture) -> None:
    assert main(arguments) == 2
    out = capsys.readouterr()
    assert out.err == f"rowmac: {line}\n"
    assert out.out == ""


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["build", "\0", "--board", "arty-z7-20", "-o", "out"], "NETWORK"),
        (["build", "a.onnx", "--board", "arty-z7-20", "-o", "\0"], "-o/--output"),
        (["simulate", "\0", "--inputs", "a.npz"], "DIR"),
        (["simulate", "out", "--inputs", "\0"], "--inputs"),
        (["simulate", "out", "--inputs", "a.npz", "--report", "\0"], "--report"),
    ],
)
def test_a_path_that_is_none(arguments: Sequence[str], name: str, capsys: Capture) -> None:
    assert main(arguments) == 2
    said = f"argument {name}: must be a path without NUL characters, not '\\x00'"
    assert capsys.readouterr().err == f"rowmac: {said} (see rowmac {arguments[0]} --help)\n"


def test_an_error_is_one_json_object_too(capsys: Capture) -> None:
    assert main(["build", "a.onnx", "--board", "zcu", "-o", "out", "--json"]) == 2
    out = capsys.readouterr()
    said = json.loads(out.out)
    assert said["status"] == 2
    assert out.err == f"rowmac: {said['error']}\n"


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (UserError("no such\n  thing"), 2, "no such thing"),
        (RunError("stopped"), 1, "stopped"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_ends(
    error: BaseException,
    status: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    def fail(options: object) -> None:
        raise error

    monkeypatch.setattr("flows.cli.boards.run", fail)
    assert main(["boards"]) == status
    assert capsys.readouterr().err == f"rowmac: {line}\n"


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(options: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("flows.cli.boards.run", fail)
    with pytest.raises(ZeroDivisionError):
        main(["boards"])


def test_a_closed_pipe_is_no_traceback() -> None:
    program = "import sys; from flows.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "boards", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read().decode()
    assert "Traceback" not in said


def test_installed_command() -> None:
    script = Path(sys.executable).parent / "rowmac"
    if not script.exists():
        pytest.skip("the project is not installed in this environment")
    begin = time.monotonic()
    done = subprocess.run([script, "boards"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("board ")
    assert time.monotonic() - begin < 10
