"""Results of a sweep in one SQLite file: what is in it is done, whatever dies when."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.errors import UserError

__all__ = ["FORMAT", "Outcome", "Store"]

FORMAT = "1"
"""Of the file."""
_TABLES = """
CREATE TABLE IF NOT EXISTS sweep (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS result (
    point TEXT NOT NULL, stage TEXT NOT NULL, value TEXT, error TEXT,
    PRIMARY KEY (point, stage)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a stage has found of a point: a value, or why there is none."""

    point: str
    stage: str
    value: dict[str, Any] | None = None
    error: str | None = None


class Store:
    """Outcomes by point and stage.

    Each :meth:`put` is one transaction: after a kill at any moment it is there whole or not at all.

    Parameters
    ----------
    path : Path
    model : str
        What results are of; a store of another model is not mixed with.

    Raises
    ------
    UserError
        If the file cannot be used, holds something else, or results of another model.
    """

    def __init__(self, path: Path, model: str) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(path, timeout=30)
            # A kill of the process loses nothing; of the machine, at worst the last transactions.
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=NORMAL")
            self._file.executescript(_TABLES)
            self._claim({"format": FORMAT, "model": model})
        except (sqlite3.Error, OSError) as error:
            raise self._unusable(error) from None

    def _claim(self, marks: dict[str, str]) -> None:
        known = dict(self._file.execute("SELECT name, value FROM sweep"))
        for name, value in marks.items():
            if known and known.get(name) != value:
                raise UserError(
                    f"store {self.path} must be of this version of rowmac, not of another "
                    f"({name} {known.get(name)}, here {value}); give another file"
                )
        if not known:
            with self._file:
                self._file.executemany("INSERT INTO sweep VALUES (?, ?)", marks.items())

    def _unusable(self, error: Exception) -> UserError:
        return UserError(
            f"store must be a file that rowmac sweep can use, not {self.path} ({error})"
        )

    def done(self, stage: str) -> set[str]:
        """Keys of the points that have an outcome of a stage."""
        rows = self._read("SELECT point FROM result WHERE stage = ?", stage)
        return {point for (point,) in rows}

    def put(self, outcomes: Iterable[Outcome]) -> None:
        """Keep outcomes, all of them or none."""
        rows = [
            (o.point, o.stage, None if o.value is None else json.dumps(o.value), o.error)
            for o in outcomes
        ]
        try:
            with self._file:
                self._file.executemany("INSERT OR REPLACE INTO result VALUES (?, ?, ?, ?)", rows)
        except sqlite3.Error as error:
            raise self._unusable(error) from None

    def outcomes(self, stage: str | None = None) -> Iterator[Outcome]:
        """All that is kept, of a stage or of every one, in order of points."""
        where, more = ("WHERE stage = ?", (stage,)) if stage else ("", ())
        query = f"SELECT point, stage, value, error FROM result {where} ORDER BY point, stage"
        for point, of, value, error in self._read(query, *more):
            try:
                found = None if value is None else json.loads(value)
            except ValueError as broken:
                raise self._unusable(broken) from None
            yield Outcome(point=point, stage=of, value=found, error=error)

    def _read(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        try:
            with closing(self._file.execute(query, values)) as rows:
                return rows.fetchall()
        except sqlite3.Error as error:
            raise self._unusable(error) from None

    def close(self) -> None:
        """Finish; the file is one file again."""
        self._file.close()
