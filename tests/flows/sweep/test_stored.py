"""Reading a store: as it is, and what is none."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from flows.errors import UserError
from flows.sweep.evaluate import ESTIMATE
from flows.sweep.model_mark import model_mark
from flows.sweep.parameters import NUMBERS
from flows.sweep.point_machine import machine_of
from flows.sweep.point_store import Outcome, Store
from flows.sweep.stored_sweep import Stored, read_store
from tests.support.report_store import made_store


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Outcome]]:
    path = tmp_path_factory.mktemp("sweep") / "a & b.sqlite"
    return path, made_store(path)


@pytest.fixture(scope="module")
def stored(made: tuple[Path, list[Outcome]]) -> Stored:
    return read_store(made[0])


def test_what_a_point_does_not_say_is_what_it_was_evaluated_with(stored: Stored) -> None:
    for entry in stored.entries:
        if ESTIMATE not in entry.values:
            continue
        spec = asdict(machine_of({name: entry.point[name] for name in entry.given}))
        assert {name: entry.point[name] for name in NUMBERS} == {n: spec[n] for n in NUMBERS}
        assert machine_of({n: v for n, v in entry.point.items() if v}) == machine_of(
            {name: entry.point[name] for name in entry.given}
        )


def test_reading_leaves_the_store_as_it_is(made: tuple[Path, list[Outcome]]) -> None:
    path = made[0]
    before = path.read_bytes()
    read_store(path)
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_store_that_is_being_written_can_be_read(tmp_path: Path) -> None:
    store = Store(tmp_path / "s", model_mark())
    try:
        store.put([Outcome(point='{"lanes":4}', stage=ESTIMATE, error="late")])
        (entry,) = read_store(tmp_path / "s").entries
        assert entry.errors == {ESTIMATE: "late"}
    finally:
        store.close()


def _text(path: Path) -> None:
    path.write_text("lanes,tokens\n" * 100)


def _foreign(path: Path) -> None:
    file = sqlite3.connect(path)
    file.execute("CREATE TABLE other (name TEXT)")
    file.close()


def _newer(path: Path) -> None:
    made_store(path)
    with sqlite3.connect(path) as file:
        file.execute("UPDATE sweep SET value = '9' WHERE name = 'format'")
    file.close()


def _broken(path: Path) -> None:
    store = Store(path, model_mark())
    store.close()
    with sqlite3.connect(path) as file:
        file.execute("INSERT INTO result VALUES ('{\"lanes\": 4', 'estimate', '{}', NULL)")
    file.close()


def _empty(path: Path) -> None:
    Store(path, model_mark()).close()


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda path: None, "store must be a file that rowmac sweep made, not {} (no such file)"),
        (Path.mkdir, "store must be a file that rowmac sweep made, not {} (a folder)"),
        (
            _text,
            "store must be a file that rowmac sweep made, not {} (file is not a database)",
        ),
        (_foreign, "store must be a file that rowmac sweep made, not {} (no such table: sweep)"),
        (_newer, "store must be a file that rowmac sweep made, not {} (format 9, not 1)"),
        (
            _broken,
            """store must be a file that rowmac sweep made, not {} \
(Expecting ',' delimiter: line 1 column 12 (char 11))""",
        ),
        (_empty, "store must have at least one point, not none: {}"),
    ],
)
def test_what_is_no_store(make: Callable[[Path], None], line: str, tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    make(path)
    with pytest.raises(UserError) as error:
        read_store(path)
    assert str(error.value) == line.format(path)
