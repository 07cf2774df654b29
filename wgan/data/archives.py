"""Unpack untrusted archives: completely or not at all, inside the folder, without links or decompression bombs."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from wgan.data.decompression import Decompressed, StreamDamaged, compression_of
from wgan.data.file_kinds import what_it_is_instead
from wgan.data.tar_archive import BLOCK, TarReader, is_header
from wgan.data.zip_archive import FIRST_BYTES, has_end_record, read_member, refusal_of, zip_members
from wgan.download.access import Progress
from wgan.errors import DataError

LEAST_BYTES = 512
"""Bytes counted for an empty member, so that millions of them reach the cap too."""
STREAM_LIMIT = 4
"""Maximum content of a stream, in multiples of the cap: headers and padding add to the members."""
OTHER_ARCHIVES = {
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
    b"\x04\x22\x4d\x18": "LZ4",
    b"\x1f\x9d": "compress (.Z)",
    b"070707": "cpio",
    b"!<arch>\n": "ar",
}


@dataclass
class _Room:
    """How much may still be unpacked."""

    archive: Path
    max_bytes: int
    left: int

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise DataError(
                f"{self.archive} unpacks to more than the {self.max_bytes:,} bytes of WGAN_DOWNLOAD_MAX_BYTES."
            )


def extract_archive(path: Path, folder: Path, max_bytes: int, progress: Progress) -> int:
    """Unpack a zip or tar (plain, gz, bz2, xz, zst) file, recognised by its first bytes, into an empty folder.

    Returns how many bytes after the archive's end were ignored. Raises `DataError` naming the archive and the member if
    the archive is truncated or a checksum is wrong, for absolute paths, `..`, links, devices, encrypted members,
    duplicate names and more than `max_bytes` unpacked, and if the file is not an archive.
    """
    room = _Room(path, max_bytes, max_bytes)
    with archive_errors(path):
        with path.open("rb") as file:
            first = file.read(BLOCK)
        if first.startswith(FIRST_BYTES):
            return _extract_zip(path, folder, room, progress)
        return _extract_tar(path, folder, room, progress)


def _extract_zip(path: Path, folder: Path, room: _Room, progress: Progress) -> int:
    done, total = 0, path.stat().st_size
    if not has_end_record(path):
        raise StreamDamaged("the directory at its end is missing")
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        for member in zip_members(archive, file):
            if refusal := refusal_of(member):
                raise DataError(f"{path} holds {member.filename!r}, which {refusal}.")
            name = member.filename.replace("\\", "/")  # some Windows programs write backslashes
            target = _inside(folder, name, path)
            if name.endswith("/"):
                room.take(LEAST_BYTES)
            else:
                _write(read_member(archive, member), target, room)
            done += member.compress_size
            progress("extract", done, total)
    return 0


def _extract_tar(path: Path, folder: Path, room: _Room, progress: Progress) -> int:
    total = path.stat().st_size
    with path.open("rb") as file:
        reader = open_tar(path, file, room.max_bytes)
        for member in reader.members():
            if not (member.isreg() or member.isdir()):
                raise DataError(f"{path} holds {member.name!r}, which is a link or a device: refused.")
            target = _inside(folder, member.name, path)
            if member.isreg():
                _write(reader.read(member), target, room)
            else:
                room.take(LEAST_BYTES)
            progress("extract", file.tell(), total)
        return reader.bytes_after_the_end


def open_tar(path: Path, file: BinaryIO, max_bytes: int) -> TarReader:
    """Read an open file as a tar, plain or compressed, of at most `max_bytes`. Raises `DataError` if it is none."""
    first = file.read(BLOCK)
    file.seek(0)
    stream = Decompressed(file, compression_of(first), STREAM_LIMIT * max_bytes + 2**20)
    if stream.compression:
        first = stream.read(BLOCK)
        stream.unread(first)
    if not (is_header(first) or (len(first) == BLOCK and not any(first))):
        raise DataError(_not_an_archive(path, first, stream))
    return TarReader(stream)


def _not_an_archive(path: Path, first: bytes, stream: Decompressed) -> str:
    if stream.compression:
        return f"{path} is {stream.compression}-compressed, but its content is not a tar archive."
    known = next((name for mark, name in OTHER_ARCHIVES.items() if first.startswith(mark)), None)
    if known:
        return (
            f"{path} is a {known} archive, which is not supported: unpack it and give the folder (data.source=folder)."
        )
    if instead := what_it_is_instead(first):
        return f"{path} is neither a zip nor a tar archive, but {instead}."
    return f"{path} is neither a zip nor a tar archive (plain, gz, bz2, xz or zst)."


def _inside(folder: Path, name: str, archive: Path) -> Path:
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts or "\\" in name or "\0" in name or re.match(r"[A-Za-z]:", name):
        raise DataError(f"{archive} holds {name!r}, which points outside of its folder: refused.")
    return folder / parts


def _write(content: Iterable[bytes], target: Path, room: _Room) -> None:
    """Copy a member to a new file, within the remaining room."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        file = target.open("xb")
    except FileExistsError:
        raise DataError(f"{room.archive} holds {target.name!r} twice in the same folder: refused.") from None
    written = 0
    with file:
        for block in content:
            room.take(len(block))
            written += len(block)
            file.write(block)
    room.take(max(0, LEAST_BYTES - written))


@contextmanager
def archive_errors(path: Path) -> Iterator[None]:
    """Turn every failure to read an archive into a `DataError` of one sentence that names it."""
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"there is no archive {path}: check data.location.") from None
    except StreamDamaged as damage:
        raise DataError(f"{path} is damaged or incomplete: {damage}.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be unpacked: {error.strerror or error}.") from None
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, LookupError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path} is damaged or of an unknown kind ({reason}).") from None
