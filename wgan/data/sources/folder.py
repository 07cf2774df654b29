"""`folder`: images below a folder, recognised by content; sub-folders are classes if every image is in one.

Other files are skipped and counted by reason. Only regular files inside the folder are read: links that lead out of it,
pipes, devices, and hidden files and folders are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from wgan.data.file_kinds import FIRST_BYTES, format_of, is_claimed_image, open_regular, reason_to_leave_out
from wgan.data.local_files import files_below
from wgan.data.local_location import existing_folder
from wgan.data.source import NAMED_EXAMPLES, CountedFiles, EncodedImage, ImageFiles, Source, content_digest, printable
from wgan.download.access import Access
from wgan.errors import DataError
from wgan.file_digest import file_sha256
from wgan.records import FileCount

LACKING_RANGE = ("TIFF", "PPM")
"""Formats that may hold samples of no declared range."""


@dataclass(frozen=True)
class Listing:
    """Which files are images, and why the others are not."""

    names: list[str]
    """Relative to the folder, with slashes, sorted."""
    without_range: frozenset[str]
    """Images whose samples may have no declared range."""
    left_out: tuple[FileCount, ...]


def folder_source(location: str, max_images: int | None, access: Access) -> Source:
    """Images below a folder, identified by the names and contents of the images used. Raises `DataError`."""
    folder = existing_folder(location)
    listing = list_images(folder, max_images)
    digests = []
    for done, name in enumerate(listing.names, start=1):
        digests.append(_content_sha256(folder / name))
        access.progress("hash", done, len(listing.names))
    pairs = [[printable(name), digest] for name, digest in zip(listing.names, digests, strict=True)]

    def open_folder(scratch: Path) -> ImageFiles:
        return image_files(folder, listing, digests)

    return Source(
        content_digest(files=pairs),
        str(folder.resolve()),
        len(listing.names),
        open_folder,
        left_out=listing.left_out,
    )


def list_images(folder: Path, max_images: int | None = None) -> Listing:
    """All image files below a folder, at most `max_images`. Raises `DataError` if there is none."""
    names: list[str] = []
    without_range, left_out = set(), CountedFiles()
    for name in sorted(files_below(folder, left_out)):
        if max_images is not None and len(names) >= max_images:
            left_out.add(f"beyond data.max_images={max_images}", name)
            continue
        first = _first_bytes(folder / name)
        if first is None and not is_claimed_image(name):
            left_out.add("not readable", name)
        elif reason := reason_to_leave_out(name, first or b""):
            left_out.add(reason, name)
        else:
            names.append(name)
            if format_of(first or b"") in LACKING_RANGE:
                without_range.add(name)
    require_images(names, left_out, str(folder))
    return Listing(names, frozenset(without_range), left_out.counts())


def require_images(names: Sequence[object], left_out: CountedFiles, where: str, what: str = "image files") -> None:
    """Raise `DataError` if nothing is found, with the reasons for skipped files."""
    if names:
        return
    reasons = "; ".join(f"{entry.count:,} × {entry.reason}" for entry in left_out.counts()[:NAMED_EXAMPLES])
    raise DataError(f"there are no {what} in {where}{f' (left out: {reasons})' if reasons else ''}.")


def image_files(folder: Path, listing: Listing, digests: Sequence[str] | None = None) -> ImageFiles:
    """The images of a listing, with the labels their names give."""
    classes, labels = classes_of(listing.names)
    expected = digests or [""] * len(listing.names)

    def images() -> Iterator[EncodedImage]:
        for name, label, sha256 in zip(listing.names, labels, expected, strict=True):
            yield EncodedImage(printable(name), folder / name, label, sha256 or None)

    without_range = (EncodedImage(printable(name), folder / name) for name in sorted(listing.without_range))
    return ImageFiles(len(listing.names), classes, images(), listing.left_out, without_range)


def classes_of(names: Sequence[str]) -> tuple[tuple[str, ...], list[int]]:
    """Class names and the label of each image: the first folder of each name after their common prefix.

    No classes, and labels of -1, if an image is in no folder or all are in the same one.
    """
    parts = [PurePosixPath(name).parts[:-1] for name in names]
    common = 0
    while all(len(folders) > common for folders in parts) and len({folders[common] for folders in parts}) == 1:
        common += 1
    if any(len(folders) == common for folders in parts):
        return (), [-1] * len(names)
    classes = sorted({folders[common] for folders in parts})
    labels = {name: label for label, name in enumerate(classes)}
    return tuple(printable(name) for name in classes), [labels[folders[common]] for folders in parts]


def _first_bytes(path: Path) -> bytes | None:
    try:
        with open_regular(path) as file:
            return file.read(FIRST_BYTES)
    except OSError:
        return None


def _content_sha256(path: Path) -> str:
    """Empty for an unreadable file: decoding it will report the reason."""
    try:
        return file_sha256(path)
    except OSError:
        return ""
