"""Definition of a sweep: a grid, a list of points, or both."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flows.errors import UserError
from flows.sweep.parameters import Value, check_names, check_value, parse_values
from flows.work.toml_file import read_toml

__all__ = ["Definition", "Point", "point_key", "read_definition"]

MOST_POINTS = 2_000_000
"""Points of a sweep at most: all of them are in memory at once."""
Point = Mapping[str, Value]


@dataclass(frozen=True)
class Definition:
    """All combinations of ``grid``, then ``points``; other parameters have the board's defaults."""

    grid: Mapping[str, Sequence[Value]] = field(default_factory=dict)
    points: Sequence[Point] = ()

    def __len__(self) -> int:
        return self.count

    @property
    def count(self) -> int:
        """Number of points, which may be more than a length can be."""
        return len(self.points) + (math.prod(map(len, self.grid.values())) if self.grid else 0)

    def __iter__(self) -> Iterator[dict[str, Value]]:
        if self.grid:
            for values in itertools.product(*self.grid.values()):
                yield dict(zip(self.grid, values, strict=True))
        for point in self.points:
            yield dict(point)


def point_key(point: Point) -> str:
    """Key of a point in the store: its parameters as JSON, sorted by name."""
    return json.dumps(point, sort_keys=True, separators=(",", ":"))


def read_definition(file: Path | None, settings: Sequence[str]) -> Definition:
    """A definition from a TOML file, from ``name=values`` texts, or from both.

    The file has a table ``[grid]`` of lists and tables ``[[point]]``; settings replace lists of
    the grid.

    Raises
    ------
    UserError
        If the file has another form, a parameter or value is wrong, or there is no point.
    """
    grid: dict[str, list[Value]] = {}
    points: list[dict[str, Value]] = []
    if file is not None:
        grid, points = _read(file)
    for text in settings:
        name, equals, values = text.partition("=")
        if not equals:
            raise UserError(f"--set must be NAME=VALUES, such as lanes=4,8, not {text!r}")
        grid[name.strip()] = parse_values(name.strip(), values)
    if not grid and not points:
        raise UserError("sweep must have at least one point, such as --set lanes=4,8, not none")
    found = Definition(grid, points)
    if found.count > MOST_POINTS:
        raise UserError(f"sweep must have at most {MOST_POINTS:,} points, not {found.count:,}")
    return found


def _read(file: Path) -> tuple[dict[str, list[Value]], list[dict[str, Value]]]:
    found = read_toml(file)
    unknown = found.keys() - {"grid", "point"}
    if unknown:
        raise UserError(f"{file} must have grid and point tables only, not {min(unknown)!r}")
    grid, points = found.get("grid", {}), found.get("point", [])
    if not isinstance(grid, dict) or not isinstance(points, list):
        raise UserError(f"{file} must have a table [grid] and tables [[point]]")
    check_names(grid)
    lists: dict[str, list[Value]] = {}
    for name, values in grid.items():
        if isinstance(values, str):
            lists[name] = parse_values(name, values)
            continue
        some = values if isinstance(values, list) else [values]
        if not some:
            raise UserError(f"{name} must have at least one value, such as {name} = [...], not []")
        lists[name] = [check_value(name, value) for value in some]
    for point in points:
        if not isinstance(point, dict):
            raise UserError(f"{file} must have tables [[point]], not {point!r}")
        check_names(point)
    return lists, [{n: check_value(n, v) for n, v in point.items()} for point in points]
