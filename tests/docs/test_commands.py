"""Every fenced block of a page: commands are known, examples run, everything else is output."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.cli import main
from flows.cli.main import VERBS
from flows.machine.machine_file import read_machine
from flows.sweep.definition import read_definition
from tests.support.pages import PAGES, ROOT, Block, blocks

BLOCKS = [block for page in PAGES for block in blocks(page)]
CONSOLE, SCRIPT = "console", "sh"
KNOWN = {CONSOLE, SCRIPT, "python", "pycon", "toml", ""}
OTHERS = ("lint-imports", "vivado -mode batch -source top.tcl", ". .venv/bin/activate")
"""Commands of other programs."""


def commands(block: Block) -> list[str]:
    """Commands of a block: lines after a prompt, or all lines of a script."""
    lines = block.text.replace("\\\n", " ").splitlines()
    if block.language == CONSOLE:
        return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return [line for line in lines if line] if block.language == SCRIPT else []


COMMANDS = [
    pytest.param(command, id=f"{block} {command[:40]}")
    for block in BLOCKS
    for command in commands(block)
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_known(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All verbs and options are the parser's; nothing is run."""
    words = shlex.split(command, comments=True)
    match words:
        case ["rowmac", *arguments]:
            assert parsed(arguments, monkeypatch)
        case ["make", target]:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M)
        case ["python", "-m", "pytest", *paths]:
            assert [one for one in paths if not (ROOT / one).exists()] == []
        case ["python", "-m", module, *options]:
            path = ROOT.joinpath(*module.split("."))
            file = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
            # Options of every benchmark are declared in one file.
            text = file.read_text() + (ROOT / "benchmarks" / "report.py").read_text()
            flags = [word.removeprefix("--") for word in options if word.startswith("--")]
            assert [one for one in flags if not has_option(text, one)] == []
        case ["pip", "install", "-e", extra]:
            assert extra.strip(".[]") in (ROOT / "pyproject.toml").read_text()
        case _:
            assert " ".join(words) in OTHERS


def parsed(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the command line comes as far as running a verb with these arguments."""
    seen: list[argparse.Namespace] = []

    def run(options: argparse.Namespace) -> tuple[dict[str, str], int]:
        seen.append(options)
        return {}, 0

    for verb in VERBS:
        monkeypatch.setattr(f"{verb.__name__}.run", run)
    return main(arguments) == 0 and len(seen) == 1


def has_option(source: str, name: str) -> bool:
    """Whether a script's source declares an option, by argparse or as ``name={...}``."""
    return bool(re.search(rf'"--{name}"|\b{name.replace("-", "_")}=\{{', source))


def test_options_that_are_not_there_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parsed(["build", "network.onnx", "--board", "zcu102", "-o", "out"], monkeypatch)
    assert not parsed(["build", "network.onnx", "--bord", "zcu102", "-o", "out"], monkeypatch)
    source = (ROOT / "benchmarks" / "mutants" / "__main__.py").read_text()
    assert has_option(source, "again")
    # A keyword of a call that has nothing to do with the command line.
    assert "tell=" in source
    assert not has_option(source, "tell")


def test_every_block_is_of_a_known_kind() -> None:
    assert [str(block) for block in BLOCKS if block.language not in KNOWN] == []


def test_what_is_no_command_is_output() -> None:
    """Blocks without a language are figures: no line of them is to be typed."""
    typed = re.compile(r"^(\$ |rowmac |python |pip |make )", re.M)
    plain = [block for block in BLOCKS if block.language == ""]
    assert plain
    assert [str(block) for block in plain if typed.search(block.text)] == []


def test_python_runs_in_a_test() -> None:
    """As a doctest of a page under docs, or word for word in a test or a tested example."""
    files = [path.read_text() for path in sources()]
    python = [block for block in BLOCKS if block.language in ("python", "pycon")]
    doctests = [b for b in python if ">>> " in b.text and b.page.is_relative_to(ROOT / "docs")]
    shown = [block for block in python if block not in doctests]
    assert doctests
    assert shown
    lost = [b for b in shown if not any(contains(text, b.text) for text in files)]
    assert [str(block) for block in lost] == []


def sources() -> Iterator[Path]:
    yield from (ROOT / "tests").rglob("*.py")
    yield ROOT / "examples" / "fashion_mnist" / "quantise.py"  # tests/docs/test_example_quantise.py


def contains(source: str, shown: str) -> bool:
    """Whether the lines of an example follow each other in a file, at one indentation."""
    lines = shown.rstrip().splitlines()
    indents = {len(i) for i in re.findall(rf"^( *){re.escape(lines[0])}$", source, re.M)}
    return any(
        "\n".join(" " * n + line if line else "" for line in lines) + "\n" in source
        for n in indents
    )


def test_definitions_of_sweeps_and_machines_can_be_read(tmp_path: Path) -> None:
    found = [block for block in BLOCKS if block.language == "toml"]
    machines = [block for block in found if "[machine]" in block.text]
    assert machines
    assert len(found) > len(machines)
    for block in found:
        path = tmp_path / "file.toml"
        path.write_text(block.text)
        if block in machines:
            assert read_machine(path).spec
        else:
            assert len(read_definition(path, [])) > 0
