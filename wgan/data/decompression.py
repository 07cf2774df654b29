"""Compressed streams, read to their end: every member and checksum, and nothing after them.

The standard library's readers stop at unknown data: `bz2` and `lzma` take whatever follows a stream for its end. Here a
file must end where a stream ends.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal, Protocol

BLOCK = 256 * 1024
XZ_MEMORY = 512 * 2**20
"""Memory limit, more than `xz -9` needs; a stream that needs more is refused."""
MAX_READ = 64 * 2**20
"""Longest single read; only a bogus member name asks for more."""
Compression = Literal["gzip", "bzip2", "xz", "lzma", "Zstandard"]
FIRST_BYTES: dict[bytes, Compression] = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x5d\0\0": "lzma",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    # Frames to be skipped, with which pzstd begins.
    **{bytes([kind]) + b"\x2a\x4d\x18": "Zstandard" for kind in range(0x50, 0x60)},
}


class StreamDamaged(Exception):
    """The stream is truncated or damaged; the message completes a sentence."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    """zlib checks the header's CRC, the content's CRC and its length, and skips every optional field."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length)


def compression_of(first_bytes: bytes) -> Compression | None:
    """The compression of a file, by its first bytes."""
    return next((name for mark, name in FIRST_BYTES.items() if first_bytes.startswith(mark)), None)


@dataclass
class Decompressed:
    """The content of a compressed or plain file, read forward only.

    Has what `tarfile` needs from a file: `read`, `tell` and a `seek` that goes forward. Raises `StreamDamaged`.
    """

    file: BinaryIO
    compression: Compression | None
    limit: int
    """Maximum bytes of content, so that a small file cannot unpack for hours."""
    _position: int = 0
    _stream: _Decompressor | None = None
    _ready: bytearray = field(default_factory=bytearray)
    _following: bytes = b""
    _streams: int = 0
    _zstandard: Any = None

    def tell(self) -> int:
        """Number of bytes read."""
        return self._position

    def seek(self, position: int) -> int:
        """Seek forward. Raises `StreamDamaged` if the content ends earlier or the position lies behind."""
        if position < self._position:
            raise StreamDamaged("the lengths in its headers contradict each other")
        while self._position < position:
            if not self.read(min(BLOCK, position - self._position)):
                raise StreamDamaged("it ends in the middle of a member")
        return position

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer only at the end."""
        if not 0 <= size <= MAX_READ:
            raise StreamDamaged("the header of one of its members gives an impossible length")
        while len(self._ready) < size and (block := self._next_block()):
            self._ready += block
        data = bytes(self._ready[:size])
        del self._ready[:size]
        self._position += len(data)
        if self._position > self.limit:
            raise StreamDamaged(f"it expands to more than {self.limit:,} bytes")
        return data

    def unread(self, data: bytes) -> None:
        """Put back what was read last."""
        self._ready[:0] = data
        self._position -= len(data)

    def _next_block(self) -> bytes:
        """The next block of content; empty at the end."""
        if self.compression is None:
            return self.file.read(BLOCK)
        try:
            return self._decompress_zstandard() if self.compression == "Zstandard" else self._decompress()
        except (zlib.error, lzma.LZMAError, OSError, ValueError, EOFError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise StreamDamaged(f"its {self.compression} stream is damaged: {error}") from None

    def _decompress_zstandard(self) -> bytes:
        """Arrow reads all frames, and fails at a truncated one, at a wrong checksum and at other bytes."""
        if self._zstandard is None:
            import pyarrow

            self._zstandard = pyarrow.CompressedInputStream(pyarrow.PythonFile(self.file, mode="r"), "zstd")
        block: bytes = self._zstandard.read(BLOCK)
        return block

    def _decompress(self) -> bytes:
        while True:
            if self._stream is None and not self._begin_stream():
                return b""
            assert self._stream is not None
            # Drain the decompressor before feeding it more.
            block = self._stream.decompress(self._following, BLOCK)
            self._following = b""
            if self._stream.eof:
                self._following, self._stream = self._stream.unused_data, None
            elif not block:
                self._following = self.file.read(BLOCK)
                if not self._following:
                    raise StreamDamaged(f"its {self.compression} stream is cut off")
            if block:
                return block

    def _begin_stream(self) -> bool:
        """Move to the next stream of the file; False if there is none. Zeros between and after them are padding."""
        padding = 0
        while True:
            rest = self._following.lstrip(b"\0") if self._streams else self._following
            padding += len(self._following) - len(rest)
            self._following = rest
            if len(rest) >= 6 or not (more := self.file.read(BLOCK)):
                break
            self._following += more
        if not self._following and self._streams:
            if padding and self.compression == "xz" and padding % 4:
                raise StreamDamaged("its xz stream is cut off")
            return False
        if compression_of(self._following) != self.compression:
            raise StreamDamaged(
                f"{self._streams} {self.compression} stream(s) are followed by other bytes: "
                "a part of it is damaged or missing"
            )
        self._stream = self._new_stream()
        self._streams += 1
        return True

    def _new_stream(self) -> _Decompressor:
        match self.compression:
            case "gzip":
                return _Gzip()
            case "bzip2":
                return bz2.BZ2Decompressor()
            case "xz":
                return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)
            case _:
                return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=XZ_MEMORY)
