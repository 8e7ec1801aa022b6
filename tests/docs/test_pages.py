"""Every page is reachable, and every link, file and module that a page names exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from itertools import product
from pathlib import Path

import pytest

from tests.support.pages import PAGES, ROOMS, ROOT, anchors, links

INDEX = ROOT / "docs" / "README.md"
_ROOM = f"(?<![\\w/.-])(?:{'|'.join(ROOMS)})"
_PATH = re.compile(rf"{_ROOM}/[\w./*{{}},-]*[\w*}}/]")
_MODULE = re.compile(rf"{_ROOM}(?:\.\w+)+(?!\w|/)")
_PLACEHOLDER = re.compile(r"(?<![A-Z])(?:NEW|NAME|ROOM|VERB|OPERATOR)(?![A-Z])")
"""A part of a path that a reader replaces, as in ``models/formats/NAME.py``."""


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def target(page: Path, link: str) -> Path:
    path = link.partition("#")[0]
    return (page.parent / path).resolve() if path else page


def reachable(start: Path) -> set[Path]:
    seen: set[Path] = set()
    waiting = [start]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md" or not page.is_file():
            continue
        seen.add(page)
        waiting += [target(page, link) for link in links(page)]
    return seen


def test_pages_are_found() -> None:
    """The tests below look at something."""
    assert {INDEX, ROOT / "README.md", ROOT / "docs" / "architecture.md"} <= set(PAGES)


def test_the_readme_leads_to_the_index() -> None:
    assert INDEX in {target(ROOT / "README.md", link) for link in links(ROOT / "README.md")}


def test_the_index_names_every_page() -> None:
    """By its own links, not by way of another page: it is an index."""
    named = {target(INDEX, link) for link in links(INDEX)}
    pages = {page for page in PAGES if page.is_relative_to(INDEX.parent)} - {INDEX}
    assert sorted(map(name_of, pages - named)) == []
    assert pages <= reachable(INDEX)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_exist(page: Path) -> None:
    broken = []
    for link in links(page):
        path, anchor = target(page, link), link.partition("#")[2]
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_exist(page: Path) -> None:
    named = sorted(set(_PATH.findall(page.read_text())))
    missing = [one for text in named for one in alternatives(text) if not exists(one)]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_modules_exist(page: Path) -> None:
    named = sorted(set(_MODULE.findall(page.read_text())))
    assert [name for name in named if not is_known(name)] == []


def test_what_is_missing_is_seen() -> None:
    """The rules above, on names that are not there."""
    assert not exists("flows/nothing.py")
    assert not exists("flows/*.rs")
    assert not is_known("flows.nothing")
    assert not is_known("sim.runner.nothing")
    assert not is_known("models.machine.spec.MachineSpec.nothing")
    assert is_known("models.machine.spec.MachineSpec.word_bytes")
    assert alternatives("a/{b,c}.md") == ["a/b.md", "a/c.md"]


def alternatives(text: str) -> list[str]:
    """All paths that a text with braces stands for."""
    parts = re.split(r"\{([^}]*)\}", text)
    choices = [part.split(",") if at % 2 else [part] for at, part in enumerate(parts)]
    return ["".join(one) for one in product(*choices)]


def exists(path: str) -> bool:
    """Whether a file, a folder or a pattern of the repository is there, or stands for new ones."""
    if _PLACEHOLDER.search(path):
        path = str(Path(path).parent)
    return any(ROOT.glob(path.rstrip("/")))


def is_known(name: str) -> bool:
    """Whether a dotted name is a module, or something that a module or a class of it defines."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        path = ROOT.joinpath(*parts[:count])
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if file.is_file():
            return defines(file, tuple(parts[count:]))
        if path.is_dir():
            return count == len(parts)
    return False


def defines(file: Path, parts: tuple[str, ...]) -> bool:
    body: list[ast.stmt] = parsed(file).body
    for at, part in enumerate(parts):
        found = [node for node in body if part in names(node)]
        if not found:
            return False
        inner = [node for node in found if isinstance(node, ast.ClassDef)]
        if not inner:
            return at == len(parts) - 1
        body = inner[0].body
    return True


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def names(node: ast.stmt) -> set[str]:
    """Names that a statement binds."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return {node.name}
        case ast.Import() | ast.ImportFrom():
            return {alias.asname or alias.name for alias in node.names}
        case ast.Assign():
            return {one.id for one in node.targets if isinstance(one, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
    return set()
