"""A built folder is simulated only as it was built: any other is refused in one line."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from flows.boards import find
from flows.cli import main
from flows.errors import UserError
from flows.out_folder import emitted
from flows.out_folder.build import build, load_built
from flows.work.version import version
from hdl.emit import emit

pytestmark = pytest.mark.slow

NETWORK = Path(__file__).parents[3] / "examples" / "fashion_mnist" / "resnet_int8.onnx"
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build") / "out"
    build(NETWORK, find("arty-z7-20"), folder)
    return folder


@pytest.mark.parametrize("name", ["memory.bin", "rowmac.v", "network.onnx"])
def test_a_changed_file_is_refused(built: Path, name: str) -> None:
    path = built / name
    before = path.read_bytes()
    try:
        path.write_bytes(before[:-9] + bytes([before[-9] ^ 1]) + before[-8:])
        with pytest.raises(UserError, match=f"{name} must be as it was built; build the folder"):
            load_built(built)
        path.unlink()
        with pytest.raises(UserError, match=f"cannot read .*{name}: No such file"):
            load_built(built)
    finally:
        path.write_bytes(before)


def edited(manifest: dict[str, Any], place: str, value: object) -> None:
    """Change an entry, ``a/b/c``; ``None`` removes it."""
    *path, last = place.split("/")
    for name in path:
        manifest = manifest[name]
    if value is None:
        del manifest[last]
    else:
        manifest[last] = value


EDITS = [
    ("files", None),
    ("files", []),
    ("files/rowmac.v", None),
    ("files/top.tcl", None),
    ("files/secret", "0"),
    ("network", None),
    ("network", "name"),
    ("network/name", None),
    ("network/input/scale", 0.5),
    ("network/macs", "many"),
    ("board", None),
    ("board/name", None),
    ("board/name", ["arty-z7-20"]),
    ("board/name", "arty-z7-21"),
    ("board/name", "zcu102"),
    ("board/clock_mhz", "fast"),
    ("board/clock_mhz", -1.0),
    ("board/clock_mhz", True),
    ("machine", []),
    ("machine/spec", None),
    ("machine/spec", [1]),
    ("machine/spec/lanes", None),
    ("machine/spec/lanes", "eight"),
    ("machine/spec/lanes", 0),
    ("machine/spec/colour", 1),
    ("machine/macs_per_cycle", 1),
    ("windows/input/bytes", 4),
    ("bitstream_command", None),
]


@pytest.mark.parametrize(("place", "value"), EDITS)
def test_an_edited_manifest_is_refused(
    built: Path, tmp_path: Path, capsys: Capture, place: str, value: object
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(built, folder)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    edited(manifest, place, value)
    path.write_text(json.dumps(manifest))
    assert main(["simulate", str(folder), "--inputs", "absent.npz"]) == 2
    line = f"rowmac: {path} must be as it was built; build the folder again\n"
    assert capsys.readouterr().err == line


def test_another_machine_in_the_manifest_is_refused(built: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(built, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    edited(manifest, "machine/spec/depth", 1024)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="memory.bin must be what the network maps to"):
        load_built(folder)


def test_another_clock_in_the_manifest_is_refused(built: Path, tmp_path: Path) -> None:
    """A folder may be for another clock than the board's; then its constraints are as well."""
    folder = tmp_path / "copy"
    shutil.copytree(built, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    edited(manifest, "board/clock_mhz", 500.0)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(
        UserError, match="must be what its board and machine yield, which it is not"
    ):
        load_built(folder)


def test_a_folder_of_another_version(built: Path, tmp_path: Path) -> None:
    """It is taken as long as all in it is as here; a refusal names both versions."""
    folder = tmp_path / "copy"
    shutil.copytree(built, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["version"] == version()
    edited(manifest, "version", "0.0.1")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert load_built(folder).manifest["version"] == "0.0.1"
    edited(manifest, "machine/spec/depth", 1024)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError) as caught:
        load_built(folder)
    assert str(caught.value).endswith(f" (made by rowmac 0.0.1, this is {version()})")


def test_a_file_without_its_checksum_is_not_taken(built: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(built, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    edited(manifest, "files/rowmac.v", None)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "rowmac.v").write_text("module rowmac; endmodule")
    with pytest.raises(UserError, match=r"manifest.json must be as it was built"):
        load_built(folder)


@pytest.mark.parametrize("name", ["rowmac.v", "top.v", "top.tcl", "top.xdc", "rowmac_map.h"])
def test_a_file_with_a_checksum_of_its_own_is_not_taken(
    built: Path, tmp_path: Path, capsys: Capture, name: str
) -> None:
    """Somebody else's folder: what it says of itself is no reason to run it."""
    folder = tmp_path / "copy"
    shutil.copytree(built, folder)
    with (folder / name).open("a") as file:
        file.write("/* $system */\n")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert main(["simulate", str(folder), "--inputs", "absent.npz"]) == 2
    assert capsys.readouterr().err == (
        f"rowmac: {folder / name} must be what its board and machine yield, which it is not; it "
        "was changed, or another version of rowmac has made it: build the folder again\n"
    )


def test_files_are_made_again_once(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing is known of the machine; digests that are damaged are none."""
    made: list[str] = []

    def counted(*arguments: Any) -> str:
        made.append("")
        return emit(*arguments)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(emitted, "emit", counted)
    told: list[int] = []
    for _ in range(2):
        load_built(built, lambda: told.append(1))
    assert len(made) == len(told) == 1
    (kept,) = (tmp_path / "rowmac" / "emitted").iterdir()
    kept.write_text('{"rowmac.v": ')
    load_built(built)
    assert len(made) == 2
    tmp_path.chmod(0o500)
    load_built(built)
    assert len(made) == 2
