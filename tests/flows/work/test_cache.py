"""Where things are kept between runs."""

import os
from pathlib import Path

import pytest

from flows.run.simulation import simulator_cache
from flows.sweep.measure import parts_cache
from flows.work.cache import keep_newest, used


@pytest.mark.parametrize("given", ["cache", "./cache", ""])
def test_a_relative_cache_folder_is_ignored(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the XDG specification has it; an absolute one is taken."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for base, place in ((given, tmp_path / "home" / ".cache"), (f"{tmp_path}/x", tmp_path / "x")):
        monkeypatch.setenv("XDG_CACHE_HOME", base)
        assert simulator_cache() == place / "rowmac" / "simulators"
        assert parts_cache() == place / "rowmac" / "sweep"


def test_the_files_used_last_are_kept(tmp_path: Path) -> None:
    names = ["a.v", "b.v", "c.v", "d.v", "other.txt"]
    for age, name in enumerate(names):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, (1_000_000 - age, 1_000_000 - age))
    used(tmp_path / "d.v")
    keep_newest(tmp_path, "*.v", 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.v", "d.v", "other.txt"]
    used(tmp_path / "absent.v")
    keep_newest(tmp_path / "absent", "*.v", 2)
