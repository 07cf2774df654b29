"""Unpack archives that do not trust their author: nothing outside the folder, no links, no bombs."""

from __future__ import annotations

import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from wgan.download.access import Progress
from wgan.errors import DataError

BLOCK = 1024 * 1024
LEAST_BYTES = 512
"""What an empty member counts for, so that millions of them reach the cap too."""


def extract_archive(path: Path, folder: Path, max_bytes: int, progress: Progress) -> None:
    """Unpack a zip or tar (plain, gz, bz2, xz) file, told by its content, into an empty folder.

    Raises `DataError` naming the archive and the member for absolute paths, `..`, links, devices, names that occur
    twice, more than `max_bytes` unpacked, and an archive that is damaged or none.
    """
    with _reading(path):
        if zipfile.is_zipfile(path):
            _extract_zip(path, folder, max_bytes, progress)
        elif tarfile.is_tarfile(path):
            _extract_tar(path, folder, max_bytes, progress)
        else:
            raise DataError(f"{path} is neither a zip nor a tar archive (plain, gz, bz2 or xz).")


def _extract_zip(path: Path, folder: Path, max_bytes: int, progress: Progress) -> None:
    left, done, total = max_bytes, 0, path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise DataError(f"{path} holds {member.filename!r}, which is a link or a device: refused.")
            if member.flag_bits & 1:
                raise DataError(f"{path} holds {member.filename!r}, which is encrypted: unpack it yourself.")
            target = _inside(folder, member.filename, path)
            if not member.is_dir():
                with archive.open(member) as content:
                    left = _write(content, target, left, path, max_bytes)
            done += member.compress_size
            progress("extract", done, total)


def _extract_tar(path: Path, folder: Path, max_bytes: int, progress: Progress) -> None:
    left, total = max_bytes, path.stat().st_size
    with path.open("rb") as raw, tarfile.open(fileobj=raw, mode="r|*") as archive:
        for member in archive:
            if not (member.isreg() or member.isdir()):
                raise DataError(f"{path} holds {member.name!r}, which is a link or a device: refused.")
            target = _inside(folder, member.name, path)
            content = archive.extractfile(member) if member.isreg() else None
            if content:
                left = _write(content, target, left, path, max_bytes)
            archive.members.clear()  # type: ignore[attr-defined]  # it would remember all members
            progress("extract", raw.tell(), total)


def _inside(folder: Path, name: str, archive: Path) -> Path:
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts or "\\" in name or "\0" in name or re.match(r"[A-Za-z]:", name):
        raise DataError(f"{archive} holds {name!r}, which points outside of its folder: refused.")
    return folder / parts


def _write(content: IO[bytes], target: Path, left: int, archive: Path, max_bytes: int) -> int:
    """Copy a member to a new file; returns how many bytes may still follow."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        file = target.open("xb")
    except FileExistsError:
        raise DataError(f"{archive} holds {target.name!r} twice in the same folder: refused.") from None
    written = 0
    with file:
        while block := content.read(min(BLOCK, left + 1)):
            written += len(block)
            if written > left:
                break
            file.write(block)
    left -= max(written, LEAST_BYTES)
    if left < 0:
        raise DataError(f"{archive} unpacks to more than the {max_bytes:,} bytes of WGAN_DOWNLOAD_MAX_BYTES.")
    return left


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"there is no archive {path}: check data.location.") from None
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError) as error:
        raise DataError(f"{path} is damaged or of an unknown kind ({error}).") from None
    except OSError as error:
        raise DataError(f"{path} cannot be unpacked: {error.strerror or error}.") from None
