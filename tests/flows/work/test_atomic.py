import errno
import os
import subprocess
from pathlib import Path

import pytest

from flows.errors import UserError
from flows.work.atomic import output_file, output_folder, read_manifest, write_manifest


def make(final: Path, content: str = "new") -> None:
    with output_folder(final) as folder:
        (folder / "file").write_text(content)
        write_manifest(folder, {"content": content})


def contents(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_new_folder_and_its_parents(tmp_path: Path) -> None:
    make(tmp_path / "a" / "b" / "out")
    assert (tmp_path / "a" / "b" / "out" / "file").read_text() == "new"
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == ["out"]
    assert read_manifest(tmp_path / "a" / "b" / "out")["content"] == "new"


def test_ours_and_empty_ones_are_replaced(tmp_path: Path) -> None:
    final = tmp_path / "out"
    final.mkdir()
    make(final, "first")
    with output_folder(final) as folder:
        (folder / "other").write_text("second")
        write_manifest(folder, {})
    assert sorted(path.name for path in final.iterdir()) == ["manifest.json", "other"]
    assert read_manifest(final)["files"].keys() == {"other"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_users_put_there_stays(tmp_path: Path) -> None:
    """Vivado is run in the folder: hours of work lie beside our files."""
    final = tmp_path / "out"
    make(final, "first")
    (final / "results").mkdir()
    (final / "results" / "top.bit").write_text("mine")
    (final / ".log").write_text("mine too")
    (final / "link").symlink_to("nowhere")
    make(final, "second")
    assert contents(final) == [".log", "file", "link", "manifest.json", "results"]
    assert (final / "file").read_text() == "second"
    assert (final / "results" / "top.bit").read_text() == "mine"
    assert (final / ".log").read_text() == "mine too"
    assert read_manifest(final)["files"].keys() == {"file"}
    assert contents(tmp_path) == ["out"]


def test_a_name_of_ours_that_is_a_users_file(tmp_path: Path) -> None:
    final = tmp_path / "out"
    make(final, "first")
    (final / "new").write_text("mine")

    def remake() -> None:
        with output_folder(final) as folder:
            (folder / "new").write_text("ours")
            write_manifest(folder, {})

    with pytest.raises(UserError) as error:
        remake()
    assert str(error.value) == f"output folder must not hold a new of yours: {final / 'new'}"
    assert (final / "new").read_text() == "mine"
    assert (final / "file").read_text() == "first"
    assert contents(tmp_path) == ["out"]


FOREIGN = [
    None,
    "",
    "{}",
    "[]",
    "[" * 100_000,
    '{"made_by": "somebody"}',
    '{"made_by": "rowmac", "manifest_version": 1}',
    '{"made_by": "rowmac", "manifest_version": 1, "files": []}',
]


@pytest.mark.parametrize("manifest", FOREIGN)
def test_a_foreign_folder_is_refused(tmp_path: Path, manifest: str | None) -> None:
    final = tmp_path / "out"
    final.mkdir()
    (final / "precious").write_text("mine")
    if manifest is not None:
        (final / "manifest.json").write_text(manifest)
    with pytest.raises(UserError) as error:
        make(final)
    assert str(error.value) == f"output folder must be new or one that rowmac made, not {final}"
    assert (final / "precious").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_file_is_refused(tmp_path: Path) -> None:
    final = tmp_path / "out"
    final.write_text("mine")
    with pytest.raises(UserError, match=f"must be a folder, not the existing file {final}"):
        make(final)
    assert final.read_text() == "mine"


@pytest.mark.parametrize("error", [KeyboardInterrupt, UserError("no"), ValueError("bug")])
def test_what_fails_leaves_nothing(
    tmp_path: Path, error: BaseException | type[BaseException]
) -> None:
    final = tmp_path / "out"
    make(final, "before")

    def fail() -> None:
        with output_folder(final) as folder:
            (folder / "file").write_text("half")
            raise error

    with pytest.raises(type(error) if isinstance(error, BaseException) else error):
        fail()
    assert (final / "file").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), UserError("no"), OSError(errno.ENOSPC, "")])
def test_what_fails_leaves_no_parents(tmp_path: Path, error: BaseException) -> None:
    (tmp_path / "here").mkdir()

    def fail() -> None:
        with output_folder(tmp_path / "here" / "a" / "b" / "out") as folder:
            (folder / "file").write_text("half")
            raise error

    with pytest.raises((UserError, KeyboardInterrupt)):
        fail()
    assert contents(tmp_path) == ["here"]
    assert contents(tmp_path / "here") == []


def test_parents_that_somebody_else_uses_stay(tmp_path: Path) -> None:
    def fail() -> None:
        with output_folder(tmp_path / "a" / "b" / "out"):
            (tmp_path / "a" / "other").write_text("mine")
            raise UserError("no")

    with pytest.raises(UserError):
        fail()
    assert contents(tmp_path / "a") == ["other"]


def test_a_block_without_manifest_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="must be one that rowmac build made"):
        with output_folder(tmp_path / "out"):
            pass
    assert list(tmp_path.iterdir()) == []


def test_full_disk(tmp_path: Path) -> None:
    final = tmp_path / "out"

    def fill() -> None:
        with output_folder(final):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(UserError) as error:
        fill()
    assert str(error.value) == f"no space left to write {final}"
    assert list(tmp_path.iterdir()) == []


def test_really_full_disk(tmp_path: Path) -> None:
    """On a file system of 64 KB, where mounting one is allowed."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not allowed here")
    try:
        with pytest.raises(UserError, match="^no space left to write"):
            make(tmp_path / "new" / "out", "x" * 100_000)
        assert list(tmp_path.iterdir()) == []
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_unwritable_place(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("")
    final = place / "out"
    with pytest.raises(UserError) as error:
        make(final)
    assert str(error.value) == (
        f"output folder must be in a place that can be written to, not {final} (File exists)"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(UserError, match=r"can be written to, not .*\(Permission denied\)"):
            make(tmp_path / "out")
    finally:
        tmp_path.chmod(0o700)


def test_failed_swap_keeps_the_old_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    final = tmp_path / "out"
    make(final, "before")
    rename = os.rename

    def fail(source: Path, target: Path) -> None:
        if Path(target) == final and Path(source).name != "old":
            raise OSError(errno.EIO, "broken")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(UserError, match="broken"):
        make(final, "after")
    assert (final / "file").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("error", [OSError(errno.EIO, "broken"), KeyboardInterrupt()])
def test_a_file_that_cannot_be_moved_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """All moves are taken back, also one that happened just before the interrupt."""
    final = tmp_path / "out"
    make(final, "before")
    for name in ("a", "b", "c"):
        (final / name).write_text(f"mine {name}")
    rename = os.rename

    def fail(source: Path, target: Path) -> None:
        if Path(target) != final / "b":
            rename(source, target)
            return
        if isinstance(error, KeyboardInterrupt):
            rename(source, target)
        raise error

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises((UserError, KeyboardInterrupt)):
        make(final, "after")
    assert contents(final) == ["a", "b", "c", "file", "manifest.json"]
    assert (final / "file").read_text() == "before"
    assert contents(tmp_path) == ["out"]


def test_the_old_folder_survives_a_swap_that_cannot_be_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    final = tmp_path / "out"
    make(final, "before")
    (final / "mine").write_text("mine")
    rename = os.rename

    def fail(source: Path, target: Path) -> None:
        if Path(target) == final:
            raise OSError(errno.EIO, "broken")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(UserError) as error:
        make(final, "after")
    (old,) = tmp_path.iterdir()
    assert str(error.value) == (
        f"cannot put the new folder into its place {final} (broken); "
        f"what was there before is in {old / 'old'}"
    )
    assert contents(old / "old") == ["file", "manifest.json", "mine"]
    assert (old / "old" / "file").read_text() == "before"


def test_folder_has_the_usual_permissions(tmp_path: Path) -> None:
    make(tmp_path / "out")
    (tmp_path / "plain").mkdir()
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_manifest_of_another_version(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"made_by": "rowmac", "manifest_version": 7}')
    with pytest.raises(UserError, match="must be of version 1, not 7; build the folder again"):
        read_manifest(tmp_path)


def test_file(tmp_path: Path) -> None:
    final = tmp_path / "new" / "out.onnx"
    for content in ("first", "second"):
        with output_file(final) as scratch:
            scratch.write_text(content)
        assert final.read_text() == content
    assert contents(final.parent) == ["out.onnx"]


def test_file_is_as_before_if_the_block_raises(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("before")

    def interrupted(final: Path) -> None:
        with output_file(final) as scratch:
            scratch.write_text("after")
            raise KeyboardInterrupt

    for name in ("old", "deep/new"):
        with pytest.raises(KeyboardInterrupt):
            interrupted(tmp_path / name)
    assert contents(tmp_path) == ["old"]
    assert (tmp_path / "old").read_text() == "before"


def test_file_in_impossible_places(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    text = "output must be a file, not the existing folder"
    with pytest.raises(UserError, match=text), output_file(tmp_path):
        pass
    text = "output file must be in a place that can be written to"
    with pytest.raises(UserError, match=text), output_file(tmp_path / "file" / "out"):
        pass
