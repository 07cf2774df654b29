"""Recognises files by their first bytes, not their names. Imports nothing heavy."""

from __future__ import annotations

import os
import re
import stat
from io import BufferedReader
from pathlib import Path, PurePosixPath

from wgan.data.plugin_formats import plugin_formats, unsupported

FIRST_BYTES = 64
"""Number of first bytes examined."""
IMAGE_EXTENSIONS = frozenset(
    [
        ".avif",
        ".bmp",
        ".gif",
        ".jfif",
        ".jp2",
        ".jpe",
        ".jpeg",
        ".jpg",
        ".pbm",
        ".pfm",
        ".pgm",
        ".png",
        ".pnm",
        ".ppm",
        ".tif",
        ".tiff",
        ".webp",
    ]
)
"""A non-image file with such a name counts as a damaged image, not as another kind of file."""
READ_FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""Pixel formats only: others run interpreters (EPS) or have no signature (TGA)."""
SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (rb"\x89PNG\r\n\x1a\n", "PNG"),
    (rb"\xff\xd8\xff", "JPEG"),
    (rb"GIF8[79]a", "GIF"),
    (rb"RIFF....WEBP", "WEBP"),
    (rb"(II[*+]\0|MM\0[*+])", "TIFF"),
    (rb"....ftypavi[fs]", "AVIF"),
    (rb"....ftyp(hei[cxms]|hev[cxms])", "HEIC"),
    (rb"....ftyp(mif1|msf1)(?=.*avi[fs])", "AVIF"),
    (rb"....ftyp(mif1|msf1)", "HEIC"),
    (rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51", "JPEG2000"),
    (rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0", "BMP"),
    (rb"P[1-6fFy][\s#]", "PPM"),
    (rb"P7\s", "PAM"),
    (rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (rb"8BPS\0[\x01\x02]", "Photoshop"),
    (rb"\x76\x2f\x31\x01", "OpenEXR"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "PostScript"),
    (rb"%PDF-", "PDF"),
    (rb"\0\0\x01\0[^\0]", "Windows icon"),
    (rb"DDS ", "DDS"),
    (rb"qoif", "QOI"),
    (rb"\xd7\xcd\xc6\x9a|\x01\0\0\0.{36} EMF", "Windows metafile"),
    (rb"#\?RADIANCE|#\?RGBE", "Radiance HDR"),
    (rb"SIMPLE  =", "FITS"),
    (rb"\s*(<\?xml[^>]*>\s*)?(<!--[^>]*>\s*)?<svg", "SVG"),
    (rb"FUJIFILMCCD-RAW|II[RU][OS\0]|IIU\0|FOVb", "camera raw"),
)
SHARD_NAMES = {
    ".parquet": "a Parquet file, which data.source=parquet reads",
    ".tar": "a tar archive, which data.source=webdataset reads",
}
_COMPILED = tuple((re.compile(pattern, re.DOTALL), name) for pattern, name in SIGNATURES)


def format_of(first_bytes: bytes) -> str | None:
    """Name of the image format with these first bytes, readable here (`READ_FORMATS`) or not, else None."""
    return next((name for pattern, name in _COMPILED if pattern.match(first_bytes)), None)


def is_read(format: str | None) -> bool:
    """Whether a format is read on this machine."""
    return format in READ_FORMATS or format in plugin_formats()


def is_claimed_image(name: str) -> bool:
    """Whether a file's name says that it is an image."""
    return PurePosixPath(name).suffix.lower() in IMAGE_EXTENSIONS


def reason_to_leave_out(name: str, first_bytes: bytes) -> str | None:
    """Why a file is not an image of a data set, or None if it is to be decoded (it may still be damaged)."""
    known = format_of(first_bytes)
    if is_read(known) or is_claimed_image(name):
        return None
    if known:
        return unsupported(known)
    if hint := next((hint for suffix, hint in SHARD_NAMES.items() if name.lower().endswith(suffix)), None):
        return hint
    return "another kind of file" if first_bytes else "empty and not named as an image"


def what_it_is_instead(first_bytes: bytes) -> str | None:
    """What a file is that should be an image, an archive or a Parquet file, if that is known; None if not."""
    if first_bytes.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer (`git lfs pull` fetches the file)"
    if first_bytes.lstrip()[:1] == b"<":
        return "a web page or XML"
    return "nothing but zeros" if first_bytes and not any(first_bytes) else None


def open_regular(path: Path) -> BufferedReader:
    """Open a file for reading without blocking. Raises `OSError`, also for pipes, sockets and devices."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(None, "a pipe, a socket or a device, not a file")
    return os.fdopen(descriptor, "rb")
