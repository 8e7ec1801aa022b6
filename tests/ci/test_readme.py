"""What the README needs is installed before it is used; tests/docs knows all commands."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = [b.replace("\\\n", " ") for b in re.findall(r"```(?:console|sh)\n(.*?)```", README, re.S)]
COMMANDS = [
    line.removeprefix("$ ")
    for block in BLOCKS
    for line in block.splitlines()
    if line.startswith(("$ ", "make ", ". "))
]


def test_rowmac_is_installed_and_found_before_it_is_used() -> None:
    first = next(n for n, command in enumerate(COMMANDS) if command.startswith("rowmac "))
    before = [re.sub(r" +#.*", "", command) for command in COMMANDS[:first]]
    assert "make demo" in before
    assert before[-1] == ". .venv/bin/activate"
    quantise = next(n for n, one in enumerate(COMMANDS) if one.startswith("rowmac quantise"))
    assert "pip install -e '.[quantise]'" in COMMANDS[:quantise]


def test_extras_are_those_of_the_project() -> None:
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = set(re.findall(r"'\.\[(\w+)\]'", README))
    assert {"quantise", "synth", "plot"} <= named <= known.keys()
