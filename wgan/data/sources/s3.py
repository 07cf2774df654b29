"""`s3`: the images below an S3 prefix; the same rules as for a folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from wgan.data.decoding import in_order
from wgan.data.file_kinds import FIRST_BYTES, format_of, is_claimed_image, reason_to_leave_out
from wgan.data.images import MAX_FILE_BYTES
from wgan.data.local_files import HIDDEN, is_hidden
from wgan.data.plugin_formats import plugin_facts
from wgan.data.source import CountedFiles, EncodedImage, ImageFiles, Source, digest_of_objects, printable
from wgan.data.sources.folder import LACKING_RANGE, classes_of, require_images
from wgan.download.access import Access
from wgan.storage.objects import Storage, StoredObject, split_uri

FETCHERS = 8
FETCHED_AHEAD = 64
TIFF_NAMES = (".tif", ".tiff", ".pfm")
Entry = tuple[str, int, int]
"""Name below the prefix, bytes, label."""


@dataclass(frozen=True)
class StoredImages:
    """Images below a prefix, fetched while they are iterated over."""

    storage: Storage
    prefix: str
    entries: Sequence[Entry]

    def __iter__(self) -> Iterator[EncodedImage]:
        return _fetched(self.storage, self.prefix, self.entries)

    def ranges(self, limit: int, size: int) -> Iterator[StoredRange]:
        """As `wgan.data.source.Divisible`."""
        wanted = min(limit, len(self.entries))
        for start in range(0, wanted, size):
            entries = tuple(self.entries[start : min(start + size, wanted)])
            yield StoredRange(self.storage.bucket, self.prefix, entries)


@dataclass(frozen=True)
class StoredRange:
    """Some consecutive images below a prefix, for another machine."""

    bucket: str
    prefix: str
    entries: tuple[Entry, ...]

    @property
    def files(self) -> str:
        """The names of the first and the last."""
        return f"{printable(self.entries[0][0])} to {printable(self.entries[-1][0])}"

    def read(self, storage: Storage) -> Iterator[EncodedImage]:
        """Fetch the images, in order. Raises `StorageError`."""
        return _fetched(storage.at(self.bucket), self.prefix, self.entries)


def s3_source(location: str, max_images: int | None, access: Access) -> Source:
    """Images below `s3://bucket/prefix`, identified by the names, sizes and ETags of all objects; none is read.

    Preparing the data set determines which of them are images. Raises `DataError`, `StorageError`.
    """
    bucket, key = split_uri(location)
    prefix = f"{key.rstrip('/')}/" if key.strip("/") else ""
    storage = access.storage.at(bucket)
    listing, hidden = {}, CountedFiles()
    for entry in storage.list(prefix):
        name = entry.key.removeprefix(prefix)
        if not name or name.endswith("/"):  # a folder placeholder
            continue
        if any(is_hidden(part) for part in PurePosixPath(name).parts):
            hidden.add(HIDDEN, name)
        else:
            listing[name] = entry
    require_images(sorted(listing), hidden, location)
    facts = ([printable(name), listing[name].size, listing[name].etag] for name in sorted(listing))

    def open_prefix(scratch: Path) -> ImageFiles:
        return _opened(listing, prefix, storage, max_images, hidden, location)

    return Source(digest_of_objects(facts, **plugin_facts()), location, None, open_prefix)


def _opened(
    listing: dict[str, StoredObject],
    prefix: str,
    storage: Storage,
    max_images: int | None,
    left_out: CountedFiles,
    location: str,
) -> ImageFiles:
    names: list[str] = []
    without_range: list[str] = []

    def look(name: str) -> tuple[str, bytes]:
        """The first bytes of an object whose name is inconclusive; the others are read when decoded."""
        size = listing[name].size
        if (is_claimed_image(name) and not name.lower().endswith(TIFF_NAMES)) or size == 0:
            return name, b""
        return name, storage.get_first_bytes(prefix + name, min(size, FIRST_BYTES))

    with ThreadPoolExecutor(FETCHERS) as pool:
        for name, first in in_order(pool, look, sorted(listing), FETCHED_AHEAD):
            if max_images is not None and len(names) >= max_images:
                left_out.add(f"beyond data.max_images={max_images}", name)
            elif reason := reason_to_leave_out(name, first):
                left_out.add(reason, name)
            else:
                names.append(name)
                if format_of(first) in LACKING_RANGE:
                    without_range.append(name)
    require_images(names, left_out, location)
    classes, labels = classes_of(names)
    images = [(name, listing[name].size, label) for name, label in zip(names, labels, strict=True)]
    measured = [(name, listing[name].size, -1) for name in without_range]
    return ImageFiles(
        len(names),
        classes,
        StoredImages(storage, prefix, images),
        left_out.counts(),
        StoredImages(storage, prefix, measured),
    )


def _fetched(storage: Storage, prefix: str, entries: Iterable[Entry]) -> Iterator[EncodedImage]:
    def fetch(entry: Entry) -> EncodedImage:
        name, size, label = entry
        if size > MAX_FILE_BYTES:
            return EncodedImage(printable(name), b"", refused=f"{size:,} bytes, more than {MAX_FILE_BYTES:,}")
        return EncodedImage(printable(name), storage.get_bytes(prefix + name), label)

    with ThreadPoolExecutor(FETCHERS) as pool:
        yield from in_order(pool, fetch, entries, FETCHED_AHEAD)
