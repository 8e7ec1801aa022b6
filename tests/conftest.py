"""What the tests of all rooms share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def simulators(pytestconfig: pytest.Config) -> Path:
    """Folder in which simulators are kept between runs; `make clean` empties it."""
    return pytestconfig.rootpath / "build" / "rowmac" / "simulators"


@pytest.fixture
def cache_home(simulators: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lets the command line use the same simulators as the tests."""
    home = simulators.parent.parent
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    return home
