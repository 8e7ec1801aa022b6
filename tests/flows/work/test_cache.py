"""Where things are kept between runs."""

from pathlib import Path

import pytest

from flows.run.simulation import simulator_cache
from flows.sweep.measure import parts_cache


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
