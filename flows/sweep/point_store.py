"""Results of a sweep in one SQLite file, which survives the death of any process."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.errors import UserError

__all__ = ["FORMAT", "Outcome", "Store", "read_only"]

FORMAT = "1"
"""Version of the file's tables."""
_COLUMNS = {"sweep": ["name", "value"], "result": ["point", "stage", "value", "error"]}
_TABLES = """
CREATE TABLE sweep (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE result (
    point TEXT NOT NULL, stage TEXT NOT NULL, value TEXT, error TEXT,
    PRIMARY KEY (point, stage)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Result of a stage for a point: a value, or the reason why there is none."""

    point: str
    stage: str
    value: dict[str, Any] | None = None
    error: str | None = None


class Store:
    """Outcomes by point and stage.

    Each :meth:`put` is one transaction: after a kill all of it is in the file, or nothing.

    Parameters
    ----------
    path : Path
    model : str
        Version that results are of; a store of another version is refused.

    Raises
    ------
    UserError
        If the file cannot be used, holds something else, or has results of another version. Such
        a file is not written to.
    """

    def __init__(self, path: Path, model: str) -> None:
        self.path = path
        marks = {"format": FORMAT, "model": model}
        try:
            # Checked before anything is written: even setting the journal mode changes a file.
            new = not path.exists() or self._is_new(marks)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(path, timeout=30)
            try:
                self._begin(marks if new else {})
            except BaseException:
                self._file.close()
                raise
        except (sqlite3.Error, OSError) as error:
            raise self._unusable(error) from None

    def _is_new(self, marks: dict[str, str]) -> bool:
        """Whether an existing file is empty; any other file is checked."""
        if not self.path.is_file():
            raise self._unusable("a folder" if self.path.is_dir() else "a device or pipe")
        with closing(sqlite3.connect(read_only(self.path), uri=True, timeout=30)) as file:
            tables = _tables(file)
            if not tables and not any(_numbers(file)):
                return True
            if any(_columns(file, name) != columns for name, columns in _COLUMNS.items()):
                raise self._unusable("a database of something else")
            known = dict(file.execute("SELECT name, value FROM sweep"))
            if not known:
                raise self._unusable("it does not name the version of its results")
            self._compare(known, marks)
        return False

    def _begin(self, marks: dict[str, str]) -> None:
        # A kill of the process loses nothing; of the machine, at worst the last transactions.
        self._file.execute("PRAGMA journal_mode=WAL")
        self._file.execute("PRAGMA synchronous=NORMAL")
        if marks:
            # In one transaction, so that there never are tables without marks; another sweep that
            # began at the same time may have been first.
            with self._file:
                self._file.execute("BEGIN IMMEDIATE")
                if not _tables(self._file):
                    for statement in _TABLES.split(";")[:-1]:
                        self._file.execute(statement)
                    self._file.executemany("INSERT INTO sweep VALUES (?, ?)", marks.items())
            self._compare(self._marks(), marks)

    def _marks(self) -> dict[str, str]:
        return dict(self._read("SELECT name, value FROM sweep"))

    def _compare(self, known: dict[str, str], marks: dict[str, str]) -> None:
        for name, value in marks.items():
            if known.get(name) != value:
                raise UserError(
                    f"store {self.path} must be of this version of rowmac, not of another "
                    f"({name} {known.get(name)}, here {value}); give another file"
                )

    def claim(self, network: str, digest: str) -> None:
        """Bind the store to the content of a network's file.

        Raises
        ------
        UserError
            If the store has results of another content under this name.
        """
        name = _stored(f"network {network}")
        known = self._marks().get(name, digest)
        if known != digest:
            raise UserError(
                f"store {self.path} must be of this content of {network}, not of another one; "
                "give another file"
            )
        try:
            with self._file:
                self._file.execute("INSERT OR REPLACE INTO sweep VALUES (?, ?)", (name, digest))
        except sqlite3.Error as error:
            raise self._unusable(error) from None

    def _unusable(self, reason: Exception | str) -> UserError:
        if getattr(reason, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            return UserError(
                f"no space left to write {self.path}; what is in it is kept, and the same command "
                "goes on from there"
            )
        return UserError(
            f"store must be a file that rowmac sweep can use, not {self.path} ({reason})"
        )

    def done(self, stage: str) -> set[str]:
        """Keys of the points that have an outcome of a stage."""
        rows = self._read("SELECT point FROM result WHERE stage = ?", stage)
        return {point for (point,) in rows}

    def put(self, outcomes: Iterable[Outcome]) -> None:
        """Write outcomes, all of them or none."""
        rows = [
            (
                o.point,
                o.stage,
                None if o.value is None else json.dumps(o.value),
                o.error and _stored(o.error),
            )
            for o in outcomes
        ]
        try:
            with self._file:
                self._file.executemany("INSERT OR REPLACE INTO result VALUES (?, ?, ?, ?)", rows)
        except sqlite3.Error as error:
            raise self._unusable(error) from None

    def outcomes(self, stage: str | None = None) -> Iterator[Outcome]:
        """Outcomes of one stage or of all, in order of points."""
        where, more = ("WHERE stage = ?", (stage,)) if stage else ("", ())
        query = f"SELECT point, stage, value, error FROM result {where} ORDER BY point, stage"
        for point, of, value, error in self._read(query, *more):
            try:
                found = None if value is None else json.loads(value)
            except (ValueError, RecursionError) as broken:
                raise self._unusable(broken) from None
            yield Outcome(point=point, stage=of, value=found, error=error)

    def _read(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        try:
            with closing(self._file.execute(query, values)) as rows:
                return rows.fetchall()
        except sqlite3.Error as error:
            raise self._unusable(error) from None

    def close(self) -> None:
        """Write everything to the one file, and close it.

        Raises
        ------
        UserError
            If that fails, as on a full disk: some results stay in SQLite's second file.
        """
        try:
            self._file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            wal = Path(f"{self.path}-wal")
            beside = f"; it is complete only with {wal} beside it" if wal.exists() else ""
            raise UserError(f"cannot finish {self.path}{beside} ({error})") from None
        finally:
            self._file.close()


def read_only(path: Path) -> str:
    """Address that opens a file for reading only, without new files of SQLite next to it."""
    mode = "mode=ro" if Path(f"{path}-wal").exists() else "mode=ro&immutable=1"
    return f"{path.absolute().as_uri()}?{mode}"


def _json(value: dict[str, Any] | None) -> str | None:
    return None if value is None else json.dumps(value)


def _stored(text: str) -> str:
    """Text that a database takes: names of files may hold bytes that are no characters."""
    return text.encode("utf-8", "backslashreplace").decode()


def _tables(file: sqlite3.Connection) -> list[str]:
    return [name for (name,) in file.execute("SELECT name FROM sqlite_master")]


def _columns(file: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in file.execute(f"PRAGMA table_info({table})")]


def _numbers(file: sqlite3.Connection) -> list[int]:
    """Numbers by which applications mark their own SQLite files."""
    queries = ("PRAGMA application_id", "PRAGMA user_version")
    return [int(file.execute(query).fetchone()[0]) for query in queries]
