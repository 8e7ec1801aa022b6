"""What the tests of all rooms share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def simulators(pytestconfig: pytest.Config) -> Path:
    """Folder in which simulators are kept between runs; `make clean` empties it."""
    return pytestconfig.rootpath / "build" / "simulators"
