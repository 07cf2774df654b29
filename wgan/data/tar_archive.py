"""Tar archives, read to their end marker: an archive without one is truncated.

`tarfile` takes a damaged header, a truncated header and the end of the file for the end of the archive. This module
uses its header parser (ustar, pax, GNU) and decides itself where an archive ends.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from wgan.data.decompression import Decompressed, StreamDamaged

BLOCK = tarfile.BLOCKSIZE
COPY = 256 * 1024
VOLUME_LABEL, CONTINUED = b"V", b"M"


class TarReader:
    """The members of a tar archive, or of several one after the other; `read` gives the bytes of the current one."""

    def __init__(self, stream: Decompressed) -> None:
        self.bytes_after_the_end = 0
        """Bytes after the end marker that are neither zeros nor another archive."""
        self._stream = stream
        # The attributes of a `TarFile` that `TarInfo.fromtarfile` uses.
        self._at: Any = SimpleNamespace(
            fileobj=stream, offset=0, encoding="utf-8", errors="surrogateescape", pax_headers={}
        )

    def members(self) -> Iterator[tarfile.TarInfo]:
        """All members, up to the end. Raises `StreamDamaged` if the archive is truncated or damaged."""
        while True:
            self._stream.seek(self._at.offset)
            try:
                member = tarfile.TarInfo.fromtarfile(self._at)
            except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
                if not self._find_another_archive():
                    return
                self._at.offset, self._at.pax_headers = self._stream.tell(), {}
                continue
            except tarfile.EmptyHeaderError:  # type: ignore[attr-defined]
                raise StreamDamaged(
                    "it ends without the zero blocks that end a tar archive: a part is missing"
                ) from None
            except tarfile.TruncatedHeaderError:  # type: ignore[attr-defined]
                raise StreamDamaged("it ends in the middle of a header") from None
            except (tarfile.TarError, ValueError, OverflowError, RecursionError, IndexError):
                raise StreamDamaged(f"the header before byte {self._stream.tell():,} is damaged") from None
            if member.size < 0 or member.type == CONTINUED:
                what = "continues in another file" if member.type == CONTINUED else "has an impossible length"
                raise StreamDamaged(f"its member {member.name!r} {what}")
            if member.type != VOLUME_LABEL:
                yield member

    def read(self, member: tarfile.TarInfo) -> Iterator[bytes]:
        """The content of the last yielded member, in blocks; holes of a sparse file are zeros."""
        done, sparse = 0, getattr(member, "sparse", None)
        self._stream.seek(member.offset_data)
        for offset, size in sparse if sparse is not None else [(0, member.size)]:
            if size == 0:  # an unused entry of the map
                continue
            if offset < done or size < 0 or offset + size > member.size:
                raise StreamDamaged(f"the map of its member {member.name!r} is damaged")
            yield from _zeros(offset - done)
            yield from self._content(size)
            done = offset + size
        yield from _zeros(member.size - done)

    def _content(self, size: int) -> Iterator[bytes]:
        while size:
            if not (block := self._stream.read(min(COPY, size))):
                raise StreamDamaged("it ends in the middle of a member")
            size -= len(block)
            yield block

    def _find_another_archive(self) -> bool:
        """After a zero block: move to the next archive of the file, or to its end. Raises `StreamDamaged`."""
        zero_blocks = 1
        while block := self._stream.read(BLOCK):
            if not any(block):
                zero_blocks += 1
            elif zero_blocks == 1:
                raise StreamDamaged("a header is overwritten by zeros")
            elif is_header(block):
                self._stream.unread(block)
                return True
            else:
                self._skip_what_follows(block)
        return False

    def _skip_what_follows(self, block: bytes) -> None:
        """Count the bytes after the end, which old programs leave in the last record; no member may follow."""
        while block:
            self.bytes_after_the_end += len(block)
            block = self._stream.read(BLOCK)
            if is_header(block) and block[257:262] == b"ustar":
                raise StreamDamaged("bytes between two of its members belong to neither")


def is_header(block: bytes) -> bool:
    """Whether a block is a member's header, by its checksum."""
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.TarError, ValueError, OverflowError):
        return False
    return True


def _zeros(size: int) -> Iterator[bytes]:
    for start in range(0, size, COPY):
        yield bytes(min(COPY, size - start))
