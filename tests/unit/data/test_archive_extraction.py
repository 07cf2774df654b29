"""Archives are unpacked inside their folder, up to a size, or refused by name."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from wgan.data.archives import extract_archive
from wgan.errors import DataError

ROOM = 10 * 2**20
OUTSIDE = ["../evil.png", "a/../../evil.png", "/tmp/evil.png", "..\\evil.png", "C:\\evil.png", "C:evil.png"]


def silent(phase: str, done: int, total: int | None) -> None:
    """Nothing listens there."""


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def write_tar(path: Path, members: dict[str, bytes], compression: str = "") -> Path:
    with tarfile.open(path, f"w:{compression}") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def extract(path: Path, max_bytes: int = ROOM) -> dict[str, bytes]:
    folder = path.parent / "unpacked"
    folder.mkdir()
    extract_archive(path, folder, max_bytes, silent)
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


MEMBERS = {"a/one.png": b"1" * 3000, "b/c/two.png": b"2", "empty.png": b""}


def test_a_zip_is_unpacked(tmp_path: Path) -> None:
    assert extract(write_zip(tmp_path / "a.zip", MEMBERS)) == MEMBERS


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_a_tar_of_any_compression_and_name_is_unpacked(tmp_path: Path, compression: str) -> None:
    assert extract(write_tar(tmp_path / "archive", MEMBERS, compression)) == MEMBERS


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_a_name_that_points_outside_is_refused_and_nothing_is_written_there(
    tmp_path: Path, write: object, name: str
) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    path = write(inner / "archive", {"good.png": b"x", name: b"evil"})  # type: ignore[operator]
    with pytest.raises(DataError, match="points outside of its folder"):
        extract(path)
    assert sorted(file.name for file in tmp_path.rglob("*") if file.is_file()) == ["archive", "good.png"]
    assert not Path("/tmp/evil.png").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("special.png")
        info.type = kind
        info.linkname = "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(DataError, match=r"'special\.png', which is a link or a device"):
        extract(path)


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("link.png")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match=r"'link\.png', which is a link or a device"):
        extract(path)


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_a_bomb_stops_at_the_cap(tmp_path: Path, write: object) -> None:
    members = {f"{index}.png": bytes(2**20) for index in range(8)}
    path = write(tmp_path / "archive", members)  # type: ignore[operator]
    with pytest.raises(DataError, match="more than the 5,242,880 bytes of WGAN_DOWNLOAD_MAX_BYTES"):
        extract(path, max_bytes=5 * 2**20)
    assert sum(file.stat().st_size for file in (tmp_path / "unpacked").rglob("*")) <= 5 * 2**20


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_a_million_empty_members_are_a_bomb_too(tmp_path: Path, write: object) -> None:
    path = write(tmp_path / "archive", {f"{index}.png": b"" for index in range(30)})  # type: ignore[operator]
    with pytest.raises(DataError, match="WGAN_DOWNLOAD_MAX_BYTES"):
        extract(path, max_bytes=10_000)


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_an_archive_of_exactly_the_cap_is_unpacked(tmp_path: Path, write: object) -> None:
    path = write(tmp_path / "archive", {"a.png": bytes(3000), "b.png": bytes(2000)})  # type: ignore[operator]
    assert len(extract(path, max_bytes=5000)) == 2


def test_a_name_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for _ in range(2):
            archive.addfile(tarfile.TarInfo("same.png"))
    with pytest.raises(DataError, match=r"'same\.png' twice"):
        extract(path)


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"secret.png": b"x"})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag of the central directory
    path.write_bytes(content)
    with pytest.raises(DataError, match="encrypted"):
        extract(path)


@pytest.mark.parametrize("compression", ["gz", "bz2", "xz"])
def test_a_truncated_tar_is_damaged(tmp_path: Path, compression: str) -> None:
    noise = {"a.png": bytes(range(256)) * 4000}
    path = write_tar(tmp_path / "archive", noise, compression)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"damaged|neither"):
        extract(path)


def test_a_zip_with_a_flipped_bit_is_damaged(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a.png": bytes(range(256)) * 40})
    content = bytearray(path.read_bytes())
    content[60] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        extract(path)


@pytest.mark.parametrize("content", [b"", b"not an archive"])
def test_another_kind_of_file_is_not_an_archive(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    with pytest.raises(DataError, match="neither a zip nor a tar"):
        extract(path)
