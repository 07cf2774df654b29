"""Zip archives: the directory at the end must list everything in the file, and every checksum must match."""

from __future__ import annotations

import stat
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from wgan.data.decompression import StreamDamaged

COPY = 256 * 1024
FIRST_BYTES = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08", b"PK00PK\x03\x04")
"""First bytes of a member, an empty archive, and the two markers of a joined split archive."""
LOCAL_HEADER, END_RECORD = b"PK\x03\x04", b"PK\x05\x06"
LOCAL_HEADER_BYTES, END_RECORD_BYTES, LONGEST_COMMENT = 30, 22, 2**16
SPLIT_MARK_BYTES = 4
ENCRYPTED, DATA_DESCRIPTOR = 1, 8
READ_METHODS = {0: "stored", 8: "deflate", 12: "bzip2", 14: "lzma"}


def zip_members(archive: zipfile.ZipFile, file: BinaryIO) -> list[zipfile.ZipInfo]:
    """The members, after checking that the directory lists everything in the file. Raises `StreamDamaged`."""
    members = archive.infolist()
    disks, count = _end_record(file)
    if disks:
        raise StreamDamaged("it is one of several parts: join them, or unpack it yourself")
    if count not in (len(members), 0xFFFF):
        raise StreamDamaged(f"its directory names {len(members)} members, and its end says {count}")
    offsets = {member.header_offset for member in members}
    if members and min(offsets) > SPLIT_MARK_BYTES:
        raise StreamDamaged(f"{min(offsets):,} bytes before its first member are in no directory")
    for member in members:
        if _unlisted_after(member, file, offsets):
            raise StreamDamaged(f"a member after {member.filename!r} is missing in its directory")
    return members


def refusal_of(member: zipfile.ZipInfo) -> str | None:
    """Why a member is not unpacked, or None."""
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device: refused"
    if member.flag_bits & ENCRYPTED:
        return "is encrypted: unpack it yourself"
    if member.compress_type not in READ_METHODS:
        methods = ", ".join(READ_METHODS.values())
        return f"is compressed by method {member.compress_type}, and {methods} are read: unpack it yourself"
    return None


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """The content of a member, in blocks. Raises `StreamDamaged` if its length differs from the directory's."""
    done = 0
    with archive.open(member) as content:
        while block := content.read(COPY):
            done += len(block)
            yield block
    if done != member.file_size:
        raise StreamDamaged(f"its member {member.filename!r} is cut off")


def has_end_record(path: Path) -> bool:
    """Whether the file ends like a zip archive."""
    with path.open("rb") as file:
        return _tail(file).rfind(END_RECORD) >= 0


def _end_record(file: BinaryIO) -> tuple[int, int]:
    """Disk number and member count."""
    tail = _tail(file)
    record = tail[tail.rfind(END_RECORD) :][:END_RECORD_BYTES]
    if len(record) < END_RECORD_BYTES:
        raise StreamDamaged("its end is missing")
    _, disk, _, _, count, _, _, _ = struct.unpack("<4s4H2LH", record)
    return (0 if disk == 0xFFFF else disk), count


def _tail(file: BinaryIO) -> bytes:
    size = file.seek(0, 2)
    file.seek(max(0, size - LONGEST_COMMENT - END_RECORD_BYTES))
    return file.read()


def _unlisted_after(member: zipfile.ZipInfo, file: BinaryIO, offsets: set[int]) -> bool:
    """Whether an unlisted member begins where this one ends."""
    file.seek(member.header_offset)
    header = file.read(LOCAL_HEADER_BYTES)
    if len(header) < LOCAL_HEADER_BYTES:
        return False  # opening it will report what is wrong
    name, extra = struct.unpack("<2H", header[26:30])
    end = member.header_offset + LOCAL_HEADER_BYTES + name + extra + member.compress_size
    file.seek(end)
    after = file.read(28)
    # A data descriptor: an optional marker, a checksum and two lengths of four or eight bytes.
    lengths = (0, 12, 16, 20, 24) if member.flag_bits & DATA_DESCRIPTOR else (0,)
    return any(after[skip : skip + 4] == LOCAL_HEADER and end + skip not in offsets for skip in lengths)
