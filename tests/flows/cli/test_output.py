"""Standard output and error that are full, closed, or read by nobody; text made for terminals."""

import json
import subprocess
import sys

import pytest

from flows.cli import boards, main
from flows.errors import UserError

Capture = pytest.CaptureFixture[str]
BAD = "rowmac: board must be a known one, not 'x'"
FULL = "rowmac: cannot write to standard output: No space left on device"
CLOSED = "rowmac: standard output must be open, not closed"
PROGRAM = "import sys; from flows.cli import main; sys.exit(main())"


@pytest.mark.parametrize(
    ("arguments", "where", "status", "said"),
    [
        ("boards", ">/dev/full", 2, FULL),
        ("boards --json", ">/dev/full", 2, FULL),
        ("--help", ">/dev/full", 2, FULL),
        ("boards", ">&-", 2, CLOSED),
        ("boards --json", ">&-", 2, CLOSED),
        ("boards", "2>/dev/full", 0, ""),
        ("boards", "2>&-", 0, ""),
        ("boards", "| head -c 0", 1, ""),
        ("boards --json", "| head -c 0", 1, ""),
        ("estimate --board x --json", ">/dev/full", 2, BAD),
        ("estimate --board x --json", ">&-", 2, BAD),
        ("estimate --board x --json", "| head -c 0", 2, BAD),
        ("estimate --board x", "2>/dev/full", 2, ""),
        ("estimate --board x", "2>&-", 2, ""),
        ("estimate --board x", "2>&1 | head -c 0", 2, ""),
    ],
)
def test_streams(arguments: str, where: str, status: int, said: str) -> None:
    """One line or silence, and the right status."""
    script = f'"$0" -c "$1" {arguments} {where}; exit ${{PIPESTATUS[0]}}'
    command = ["bash", "-c", script, sys.executable, PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert [line[: len(said)] for line in done.stderr.splitlines()] == ([said] if said else [])


EVIL = "a\x1b[31m\x9b\u202e\udcff\u00e9"
SHOWN = "a\\x1b[31m\\x9b\\u202e\\udcff\u00e9"


def test_what_terminals_obey_is_not_printed(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in lines of results nor in errors; what is only foreign is left as it is."""

    def fail(options: object) -> None:
        print(f"table {EVIL}")
        raise UserError(f"cannot read {EVIL}")

    monkeypatch.setattr(boards, "run", fail)
    assert main(["boards"]) == 2
    said = capsys.readouterr()
    assert said.out == f"table {SHOWN}\n"
    assert said.err == f"rowmac: cannot read {SHOWN}\n"


def test_data_has_neither_infinity_nor_nan(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"psnr": float("inf"), "rows": [(1.5, float("nan")), {"x": -float("inf")}]}
    monkeypatch.setattr(boards, "run", lambda options: (found, 0))
    assert main(["boards", "--json"]) == 0
    said = capsys.readouterr().out
    assert json.loads(said) == {"psnr": None, "rows": [[1.5, None], {"x": None}]}


def test_version(capsys: Capture) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out.startswith("rowmac 0.")
