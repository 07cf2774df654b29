"""`s3`: the images below an S3 prefix; the same rules as for a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from wgan.data.images import MAX_FILE_BYTES
from wgan.data.in_order import in_order
from wgan.data.source import EncodedImage, ImageFiles, Source, content_digest
from wgan.data.sources.folder import classes_of, only_images, printable
from wgan.download.access import Access
from wgan.storage import Storage, split_uri

FETCHERS = 8
FETCHED_AHEAD = 64


def s3_source(location: str, max_images: int | None, access: Access) -> Source:
    """Images below `s3://bucket/prefix`, identified by their names, sizes and ETags, so that nothing is read for it.

    Raises `DataError`, `StorageError`.
    """
    bucket, key = split_uri(location)
    prefix = f"{key.rstrip('/')}/" if key.strip("/") else ""
    storage = access.storage.at(bucket)
    listing = {entry.key.removeprefix(prefix): entry for entry in storage.list(prefix)}
    names = only_images(listing, location)[:max_images]
    facts = [[name, listing[name].size, listing[name].etag] for name in names]

    def open_prefix(scratch: Path) -> ImageFiles:
        classes, labels = classes_of(names)
        sizes = [listing[name].size for name in names]
        return ImageFiles(len(names), classes, _fetched(storage, prefix, names, labels, sizes))

    return Source(content_digest(objects=facts), location, len(names), open_prefix)


def _fetched(
    storage: Storage, prefix: str, names: Sequence[str], labels: Sequence[int], sizes: Sequence[int]
) -> Iterator[EncodedImage]:
    def fetch(entry: tuple[str, int, int]) -> EncodedImage:
        name, label, size = entry
        if size > MAX_FILE_BYTES:
            return EncodedImage(printable(name), b"", refused=f"{size:,} bytes, more than {MAX_FILE_BYTES:,}")
        return EncodedImage(printable(name), storage.get_bytes(prefix + name), label)

    with ThreadPoolExecutor(FETCHERS) as pool:
        yield from in_order(pool, fetch, zip(names, labels, sizes, strict=True), FETCHED_AHEAD)
