"""Files of somebody else, or of another model, that are given as a sweep's store."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from flows.cli import main, show_sweep
from flows.sweep.model_mark import model_mark
from flows.sweep.point_store import Outcome, Store
from flows.work.source_mark import ROOMS, source_files, source_mark

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
CNN = ROOT / "examples" / "fashion_mnist" / "resnet_int8.onnx"
Capture = pytest.CaptureFixture[str]


def _run(path: Path, *more: str) -> int:
    return main(["sweep", "--set", "lanes=8", "-o", str(path), "--jobs", "1", *more])


def _photos(path: Path) -> None:
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE photos (name TEXT)")
        file.execute("INSERT INTO photos VALUES ('my only copy')")
    file.close()


def _numbered(path: Path) -> None:
    with sqlite3.connect(path) as file:
        file.execute("PRAGMA user_version=7")
    file.close()


def _alike(path: Path) -> None:
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE sweep (name TEXT, value TEXT)")
        file.execute("CREATE TABLE result (winner TEXT)")
    file.close()


def _without_marks(path: Path) -> None:
    store = Store(path, "some model")
    store.put([Outcome(point="{}", stage="estimate", error="late")])
    store.close()
    with sqlite3.connect(path) as file:
        file.execute("DELETE FROM sweep")
    file.close()


def _other_model(path: Path) -> None:
    Store(path, "some model").close()


CANNOT = "store must be a file that rowmac sweep can use, not {} "
OTHER = (
    "store {} must be of this version of rowmac, not of another "
    "(model some model, here {mark}); give another file"
)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (_photos, f"{CANNOT}(a database of something else)"),
        (_numbered, f"{CANNOT}(a database of something else)"),
        (_alike, f"{CANNOT}(a database of something else)"),
        (_without_marks, f"{CANNOT}(it does not name the version of its results)"),
        (_other_model, OTHER),
    ],
)
def test_refused_and_not_written_to(
    make: Callable[[Path], None], line: str, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "own.sqlite"
    make(path)
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    assert _run(path) == 2
    assert capsys.readouterr().err == f"rowmac: {line.format(path, mark=model_mark())}\n"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert list(tmp_path.iterdir()) == [path]


EVALUATE = """
import json, sys
from flows.sweep.evaluate import evaluate
cnn = sys.argv[1]
found = evaluate([
    {"network": "resnet-8", "policy": "rmsmp", "rows": "16"}, {"network": cnn, "board": "zcu102"},
    {"network": cnn, "engine": "cim:relu-macro"}, {"rows": "fixed8:8,pot4:8", "lanes": 8},
])
assert not [one.error for one in found if one.error]
print(json.dumps([m.__file__ for m in sys.modules.values() if getattr(m, "__file__", None)]))
"""


def test_all_that_an_estimate_loads_is_in_the_mark() -> None:
    command = [sys.executable, "-c", EVALUATE, str(CNN)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = {Path(name) for name in json.loads(done.stdout)}
    rooms = {ROOT / name for name in ("flows", "hdl", "models", "sim")}
    ours = {path for path in loaded if rooms & set(path.parents)}
    assert len(ours) > 90
    assert ours <= set(source_files())


@pytest.mark.parametrize("name", ["flows/boards/board_catalog.py", "models/machine/spec.py"])
def test_another_board_or_machine_is_another_model(name: str, tmp_path: Path) -> None:
    for room in ROOMS:
        shutil.copytree(ROOT / room, tmp_path / "one" / room)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert source_mark(tmp_path / "one") == model_mark()
    with (tmp_path / "two" / name).open("a") as file:
        file.write("\n# another figure\n")
    assert source_mark(tmp_path / "two") != model_mark()
    assert source_mark(tmp_path / "one") == model_mark()


def test_another_content_of_a_network_is_not_mixed(tmp_path: Path, capsys: Capture) -> None:
    network, store = tmp_path / "net.onnx", tmp_path / "s.sqlite"
    network.write_bytes(CNN.read_bytes())
    assert _run(store, "--set", f"network={network}") == 0
    assert _run(store, "--set", f"network={network}") == 0
    network.write_bytes((CNN.parent / "vit_int8.onnx").read_bytes())
    capsys.readouterr()
    assert _run(store, "--set", f"network={network}") == 2
    assert capsys.readouterr().err == (
        f"rowmac: store {store} must be of this content of {network}, not of another one; "
        "give another file\n"
    )
    assert list(tmp_path.glob("s.sqlite-*")) == []


def test_a_disk_that_is_full_at_the_end_is_told(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fills when all results are beside the store, and before they are in it."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not allowed here")

    def fill(definition: object) -> None:
        with suppress(OSError), (place / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)

    monkeypatch.setattr(show_sweep, "ends_taken", fill)
    try:
        path = place / "s.sqlite"
        assert _run(path, "--set", "queue_depth=2..40", "--json") == 2
        said = capsys.readouterr()
        line = f"cannot finish {path}; it is complete only with {path}-wal beside it (database or"
        assert f"rowmac: {line}" in said.err
        found = json.loads(said.out)
        assert (found["status"], found["points"], found["estimated"]) == (2, 39, 39)
        assert Path(f"{path}-wal").exists()
    finally:
        subprocess.run(["umount", str(place)], check=True)
