"""Single-point changes: each is one, parses, and a test that is missing is noticed."""

from __future__ import annotations

import ast
import json
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from benchmarks.mutants import relevant as relevant_map
from benchmarks.mutants.campaign import EQUIVALENT, Store, campaign, sample
from benchmarks.mutants.changes import mutants_of
from benchmarks.mutants.mutant import Mutant
from benchmarks.mutants.operators import OPERATORS
from benchmarks.mutants.relevant import RELEVANT, relevant, sources

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SOURCE = {
    "comparison": ("x = a < b", {"(a <= b)"}),
    "constant": ("x = 3", {"(4)", "(2)"}),
    "operator": ("x = a + (b << c)", {"(a - (b << c))", "(b >> c)"}),
    "connective": ("x = a and b and c", {"(a or b or c)"}),
    "negation": ("with m.If(a):\n    pass\nx = b if c else d", {"((a) == 0)", "(not (c))"}),
    "extreme": ("x = min(a, b) + np.maximum(a, b)", {"max", "np.minimum"}),
    "arms": ("x = Mux(a, b, c)", {"Mux(a, c, b)"}),
    "bound": ("x = a[b:c]", {"((b) + 1)", "((b) - 1)", "((c) + 1)", "((c) - 1)"}),
    "omission": ("m.d.sync += [a.eq(b), c.eq(d)]", {"pass", "*[]"}),
}


real = cache(partial(mutants_of, ROOT))
"""Mutants of a file of the project; they are the same for all tests."""


def of(tmp_path: Path, text: str) -> list[Mutant]:
    (tmp_path / "one.py").write_text(text + "\n")
    return mutants_of(tmp_path, "one.py")


@pytest.mark.parametrize("kind", OPERATORS)
def test_what_an_operator_changes(kind: str, tmp_path: Path) -> None:
    text, wanted = SOURCE[kind]
    assert {one.after for one in of(tmp_path, text) if one.kind == kind} == wanted


@pytest.mark.parametrize("kind", OPERATORS)
def test_every_mutant_parses_and_is_another_program(kind: str) -> None:
    """Of real files, for all mutants of an operator: one in ten, and of each file at least one."""
    seen = 0
    for file in sources(ROOT):
        text = (ROOT / file).read_text()
        plain = ast.dump(ast.parse(text))
        for one in [one for one in real(file) if one.kind == kind][::10]:
            assert ast.dump(ast.parse(one.apply(text))) != plain, (
                f"{file}:{one.line} {one.mutation}"
            )
            seen += 1
    assert seen > 20


def test_the_same_change_twice_has_numbers(tmp_path: Path) -> None:
    names = [one.mutation for one in of(tmp_path, "x = 0 + a\nx = [0, 0]\nx = [0, 0]")]
    assert names.count("constant: 0 -> (1)") == 2
    assert names[-1] == "constant: 0 -> (1) (number 4)"


@pytest.mark.parametrize(
    "text",
    [
        '"""Of 3 pieces."""',
        'x = f"{1 + 2:>3}"',
        "assert len(a) < 3",
        "def f(a: tuple[int, 3] | None) -> b[1:2]: ...",
        "if TYPE_CHECKING:\n    x = 3",
        '__all__ = ["a" + 3]',
    ],
)
def test_texts_types_and_narrowing_are_left_alone(text: str, tmp_path: Path) -> None:
    assert of(tmp_path, text) == []


def test_a_file_that_has_changed_is_refused(tmp_path: Path) -> None:
    (one, _) = of(tmp_path, "x = 3")
    with pytest.raises(ValueError, match=r"^one\.py must be as it was, not changed meanwhile"):
        one.apply("xyz = 3\n")


def test_every_source_has_tests() -> None:
    files = sources(ROOT)
    assert len(files) > 100
    for file in files:
        assert relevant(ROOT, file)
    for name in RELEVANT:
        assert (ROOT / name).exists(), f"{name} must be a source, not a name of nothing"


def test_a_source_without_tests_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LookupError, match=r"^new/a\.py must have an entry in RELEVANT; add its"):
        relevant(ROOT, "new/a.py")
    monkeypatch.setitem(relevant_map.RELEVANT, "new", ("tests/none.py",))
    with pytest.raises(LookupError, match=r"^tests/none\.py must be a test file or a folder"):
        relevant(ROOT, "new/a.py")


def test_equivalent_mutants_are_mutants_and_have_a_reason() -> None:
    """An entry whose line has changed must be looked at again."""
    for entry in json.loads(EQUIVALENT.read_text()):
        assert set(entry) == {"file", "line", "mutation", "reason"}
        assert len(entry["reason"]) > 20
        made = {(one.text, one.mutation) for one in mutants_of(ROOT, entry["file"])}
        assert (entry["line"], entry["mutation"]) in made, entry


def test_a_larger_sample_begins_with_the_smaller_one() -> None:
    few, many = (sample(ROOT, count, 3, ["models/ops"]) for count in (9, 30))
    assert many[:9] == few
    assert len({one.key for one in many}) == 30
    assert {one.kind for one in few} >= {"comparison", "constant", "negation", "omission"}
    assert all(one.file.startswith("models/ops/") for one in many)
    assert sample(ROOT, 9, 4, ["models/ops"]) != few
    with pytest.raises(
        LookupError, match="--only must name a source that is mutated, not benchmarks"
    ):
        sample(ROOT, 1, 1, ["benchmarks"])


PRODUCT = """def largest(a, b):
    return max(a, b)


def steps(n):
    while n:
        n -= 1
    return n
"""
TESTS = """from models.product import largest, steps


def test_both():
    assert largest(3, 2) == 3
    assert steps(3) == 0
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with one source, whose tests do not see a swap of equal values."""
    root = tmp_path / "tree"
    for name, text in {
        "models/product.py": PRODUCT + "\n\ndef unseen(a):\n    return a + 1\n",
        "models/__init__.py": "",
        "tests/test_product.py": TESTS,
        "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\n',
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_survivor_is_reported_and_a_run_goes_on(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.mutants.campaign.TIMES", 1)
    monkeypatch.setattr("benchmarks.mutants.campaign.MORE_SECONDS", 5)
    kept = tmp_path / "store.jsonl"
    wanted = {
        "max -> min": "killed",
        "a + 1 -> (a - 1)": "survived",
        "n -= 1 -> n += 1": "timeout",
        "1 -> (2)": "equivalent",
    }
    made = {one.mutation.partition(": ")[2]: one for one in mutants_of(tree, "models/product.py")}
    mutants = [made[name] for name in wanted]
    known = {("models/product.py", mutants[3].text, mutants[3].mutation)}
    lines: list[str] = []

    def run(**options: Any) -> dict[str, Any]:
        return campaign(
            tree, mutants, Store(kept), jobs=2, known=known,
            tests_of=lambda root, file: ["tests/test_product.py"], tell=lines.append, **options,
        )  # fmt: skip

    found = run()
    assert {name: found[name] for name in set(wanted.values())} == dict.fromkeys(
        ("killed", "survived", "equivalent", "timeout"), 1
    )
    (survivor,) = found["survivors"]
    assert survivor == {
        "file": "models/product.py",
        "number": 12,
        "line": "return a + 1",
        "mutation": "operator: a + 1 -> (a - 1)",
    }
    assert (tree / "models" / "product.py").read_text().startswith(PRODUCT)
    assert len(lines) == 4
    # A run that was stopped in the middle of a line goes on; nothing is tried twice.
    kept.write_text(kept.read_text() + '{"mutant": "half')
    assert run() == found
    assert len(lines) == 4
    better = TESTS.replace("steps\n", "steps, unseen\n", 1) + "    assert unseen(1) == 2\n"
    (tree / "tests" / "test_product.py").write_text(better)
    assert run(again=True)["survivors"] == []


def test_tests_that_fail_unchanged_are_told(tree: Path, tmp_path: Path) -> None:
    (tree / "tests" / "test_product.py").write_text("def test_it():\n    assert False\n")
    mutants = mutants_of(tree, "models/product.py")[:1]
    with pytest.raises(RuntimeError, match=r"test_product\.py must pass without a change; run it"):
        campaign(
            tree, mutants, Store(tmp_path / "store.jsonl"),
            tests_of=lambda root, file: ["tests/test_product.py"],
        )  # fmt: skip
