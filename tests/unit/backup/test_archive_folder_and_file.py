"""A backup's folder or `.tar` file is complete or absent."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from wgan.backup.archive import ArchiveWriter, new_archive, open_archive
from wgan.errors import UsageError, WganError

CONTENT = bytes(range(256)) * 9000
"""More than two blocks."""


def put(archive: ArchiveWriter, name: str, content: bytes) -> None:
    file = archive.scratch()
    file.write_bytes(content)
    archive.add(name, file)


@pytest.mark.parametrize("name", ["folder", "file.tar"])
def test_stored_content_is_read_back(name: str, tmp_path: Path) -> None:
    with new_archive(tmp_path / "made" / name) as archive:
        put(archive, "objects/ab/one", CONTENT)
        put(archive, "manifest.json", b"{}")
    found = open_archive(tmp_path / "made" / name)
    assert b"".join(found.blocks("objects/ab/one")) == CONTENT
    assert b"".join(found.blocks("manifest.json")) == b"{}"
    assert not found.has("objects/ab/two")
    found.extract("objects/ab/one", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "made").iterdir()] == [name]
    for path in (tmp_path / "made" / name, *(tmp_path / "made" / name).rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, f"{path} can be read by others"


@pytest.mark.parametrize("name", ["folder", "file.tar"])
def test_a_repeated_name_is_stored_once(name: str, tmp_path: Path) -> None:
    with new_archive(tmp_path / name) as archive:
        put(archive, "objects/ab/one", b"same")
        put(archive, "objects/ab/one", b"same")
    if name.endswith(".tar"):
        with tarfile.open(tmp_path / name) as tar:
            assert tar.getnames() == ["objects/ab/one"]
    else:
        assert [path for path in (tmp_path / name).rglob("*") if path.is_file()] == [tmp_path / name / "objects/ab/one"]


@pytest.mark.parametrize("name", ["folder", "file.tar"])
def test_nothing_is_left_of_a_backup_that_failed(name: str, tmp_path: Path) -> None:
    def fail_half_way() -> None:
        with new_archive(tmp_path / name) as archive:
            put(archive, "objects/ab/one", b"half")
            raise WganError("the store is gone.")

    with pytest.raises(WganError, match="the store is gone"):
        fail_half_way()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["folder", "file.tar"])
def test_an_existing_destination_is_not_overwritten_even_if_it_appeared_meanwhile(name: str, tmp_path: Path) -> None:
    def be_late() -> None:
        with new_archive(tmp_path / name) as archive:
            put(archive, "manifest.json", b"{}")
            (tmp_path / name).write_text("another's")

    with pytest.raises(UsageError, match="already exists"):
        be_late()
    assert (tmp_path / name).read_text() == "another's"
    with pytest.raises(UsageError, match="already exists"), new_archive(tmp_path / name):
        pytest.fail("the block must not begin")


def test_a_disk_error_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with (
        pytest.raises(WganError, match=r"cannot be written to .*/file/backup \("),
        new_archive(tmp_path / "file/backup"),
    ):
        pytest.fail("the block must not begin")


def test_a_file_that_is_not_a_backup_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no backup"):
        open_archive(tmp_path / "nowhere")
    (tmp_path / "text.tar").write_text("hello")
    with pytest.raises(UsageError, match="is not a backup, or is incomplete"):
        open_archive(tmp_path / "text.tar")
