"""`folder`: images below a folder. Immediate sub-folders are the classes when every image is in one of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from wgan.data.source import EncodedImage, ImageFiles, Source, content_digest
from wgan.download.access import Access
from wgan.errors import DataError
from wgan.storage import file_sha256

# fmt: off
EXTENSIONS = frozenset((
    ".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif",
    ".tiff", ".webp",
))
# fmt: on


def folder_source(location: str, max_images: int | None, access: Access) -> Source:
    """Images below a folder, identified by the names and contents of those that are used. Raises `DataError`."""
    folder = Path(location).expanduser()
    if not folder.is_dir():
        raise DataError(f"data.location={location!r} is not a folder.")
    names = image_names(folder)[:max_images]
    digests = []
    for done, name in enumerate(names, start=1):
        digests.append(_content_sha256(folder / name))
        access.progress("hash", done, len(names))
    pairs = [[printable(name), digest] for name, digest in zip(names, digests, strict=True)]

    def open_folder(scratch: Path) -> ImageFiles:
        return image_files(folder, names, digests)

    return Source(content_digest(files=pairs), str(folder.resolve()), len(names), open_folder)


def image_names(folder: Path) -> list[str]:
    """Relative names, with slashes, of all image files below a folder, sorted; hidden ones are left out.

    Links to folders are followed, each folder once. Raises `DataError` when there is none.
    """
    names, seen = [], set()
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=_raise):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        names += [Path(parent, file).relative_to(folder).as_posix() for file in files]
    return only_images(names, str(folder))


def only_images(names: Iterable[str], where: str) -> list[str]:
    """The names that have an image's extension and no hidden part, sorted. Raises `DataError` when there is none."""
    chosen = sorted(name for name in names if _is_image_name(PurePosixPath(name)))
    if not chosen:
        raise DataError(f"there are no image files ({' '.join(sorted(EXTENSIONS))}) in {where}.")
    return chosen


def image_files(folder: Path, names: Sequence[str], digests: Sequence[str] | None = None) -> ImageFiles:
    """The named files of a folder, with the labels their names give."""
    classes, labels = classes_of(names)
    expected = digests or [""] * len(names)
    images = (
        EncodedImage(printable(name), folder / name, label, sha256 or None)
        for name, label, sha256 in zip(names, labels, expected, strict=True)
    )
    return ImageFiles(len(names), classes, images)


def classes_of(names: Sequence[str]) -> tuple[tuple[str, ...], list[int]]:
    """Class names and the label of each image: the first folders of the names, after those that all have in common.

    No classes, and labels of -1, when an image is in no folder, or all are in the same one.
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


def printable(name: str) -> str:
    """A file name as text that JSON can hold, whatever its bytes."""
    return name.encode("utf-8", "backslashreplace").decode()


def _is_image_name(name: PurePosixPath) -> bool:
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in name.parts)
    return name.suffix.lower() in EXTENSIONS and not hidden


def _content_sha256(path: Path) -> str:
    """Empty for a file that cannot be read: decoding it will give the reason."""
    try:
        return file_sha256(path)
    except OSError:
        return ""


def _raise(error: OSError) -> None:
    raise DataError(f"{error.filename} cannot be listed: {error.strerror}.") from None
