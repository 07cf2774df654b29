"""Finds the shards of a data set (Parquet files or tars): one file, a folder, an archive, a URL or an S3 prefix.

Where names tell the split, as Hugging Face and WebDataset name them (`train-00000-of-00005.parquet`, `val/0001.tar`),
only the training split is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from wgan.data.archives import extract_archive
from wgan.data.local_files import HIDDEN, files_below, is_hidden
from wgan.data.local_location import existing_path
from wgan.data.source import CountedFiles, printable
from wgan.data.sources.folder import require_images
from wgan.download.access import Access
from wgan.download.cache import fetch_url
from wgan.download.fetch import public_url
from wgan.errors import DataError
from wgan.file_digest import file_sha256
from wgan.records import FileCount
from wgan.storage.objects import split_uri

TRAINING = ("train", "training")
OTHER_SPLITS = ("test", "testing", "val", "valid", "validation", "dev", "eval")
NOT_TRAINING = "of another split than train"
OTHER_KIND = "another kind of file"


@dataclass(frozen=True)
class ShardKind:
    """What the shards of a source are."""

    title: str
    suffixes: tuple[str, ...]
    """Endings of their names, in small letters."""
    first_bytes: bytes | None = None
    """Of a shard: any other single file is an archive of shards. None: every single file is a shard."""


@dataclass(frozen=True)
class ShardFiles:
    """The shards on this machine."""

    files: tuple[tuple[str, Path], ...]
    """Name and path of each, in the order of the data set."""
    left_out: tuple[FileCount, ...]


@dataclass(frozen=True)
class Shards:
    """The shards of a data set, identified but not yet here."""

    facts: list[list[Any]]
    """What identifies them, for a digest."""
    location: str
    """The address, without credentials."""
    fetch: Callable[[Path], ShardFiles]
    """Fetch or unpack them; the argument is an empty scratch folder that outlives them."""


def find_shards(location: str, kind: ShardKind, access: Access) -> Shards:
    """The shards at a location. Raises `DataError`, `StorageError`."""
    if location.startswith("s3://"):
        return _in_bucket(location, kind, access)
    if "://" in location:
        path, sha256 = fetch_url(location, access)
        return _in_file(path, sha256, public_url(location), kind, access)
    path = existing_path(location)
    if path.is_dir():
        return _in_folder(path, kind, access)
    return _in_file(path, file_sha256(path), str(path.resolve()), kind, access)


def _in_folder(folder: Path, kind: ShardKind, access: Access) -> Shards:
    found = _listed(folder, kind, str(folder))
    facts: list[list[Any]] = []
    for done, (name, path) in enumerate(found.files, start=1):
        facts.append([printable(name), _sha256(path)])
        access.progress("hash", done, len(found.files))
    seen = [_version(path) for _, path in found.files]

    def fetch(scratch: Path) -> ShardFiles:
        for (name, path), version in zip(found.files, seen, strict=True):
            if _version(path) != version:
                raise DataError(f"{folder / name} changed while it was being prepared: prepare the data set again.")
        return found

    return Shards(facts, str(folder.resolve()), fetch)


def _in_file(path: Path, sha256: str, shown: str, kind: ShardKind, access: Access) -> Shards:
    def fetch(scratch: Path) -> ShardFiles:
        with path.open("rb") as file:
            first = file.read(len(kind.first_bytes or b""))
        if kind.first_bytes is None or first == kind.first_bytes:
            return ShardFiles(((path.name, path),), ())
        extract_archive(path, scratch, access.settings.download_max_bytes, access.progress)
        return _listed(scratch, kind, shown)

    return Shards([[sha256]], shown, fetch)


def _in_bucket(location: str, kind: ShardKind, access: Access) -> Shards:
    bucket, key = split_uri(location)
    storage = access.storage.at(bucket)
    single = key.lower().endswith(kind.suffixes)
    prefix = key.rpartition("/")[0] if single else key
    prefix = f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""
    left_out, listing = CountedFiles(), {}
    for entry in storage.list(key if single else prefix):
        name = entry.key.removeprefix(prefix)
        if not name or name.endswith("/") or (single and entry.key != key):
            continue
        if any(is_hidden(part) for part in PurePosixPath(name).parts):
            left_out.add(HIDDEN, name)
        else:
            listing[name] = entry
    names = _shard_names(list(listing), kind, left_out, location)

    def fetch(scratch: Path) -> ShardFiles:
        files = []
        for number, name in enumerate(names):
            path = scratch / f"{number:06d}"
            storage.get_file(prefix + name, path)
            files.append((name, path))
            access.progress("download", number + 1, len(names))
        return ShardFiles(tuple(files), left_out.counts())

    return Shards([[printable(name), listing[name].size, listing[name].etag] for name in names], location, fetch)


def _listed(folder: Path, kind: ShardKind, shown: str) -> ShardFiles:
    left_out = CountedFiles()
    names = _shard_names(list(files_below(folder, left_out)), kind, left_out, shown)
    return ShardFiles(tuple((name, folder / name) for name in names), left_out.counts())


def _shard_names(names: Sequence[str], kind: ShardKind, left_out: CountedFiles, where: str) -> list[str]:
    """The shards among the names, sorted; the others are counted. Raises `DataError` if there is none."""
    shards = []
    for name in sorted(names):
        if name.lower().endswith(kind.suffixes):
            shards.append(name)
        else:
            left_out.add(OTHER_KIND, name)
    splits = {name: split_of(name) for name in shards}
    if any(split in TRAINING for split in splits.values()):
        for name in [name for name in shards if splits[name] in OTHER_SPLITS]:
            left_out.add(NOT_TRAINING, name)
            shards.remove(name)
    require_images(shards, left_out, where, f"{kind.title} files ({', '.join(kind.suffixes)})")
    return shards


def split_of(name: str) -> str | None:
    """The split that a shard's name tells, in its last part or else in its folders."""
    *folders, last = PurePosixPath(name.lower()).parts
    for word in [*re.split(r"[-_.]", last), *reversed(folders)]:
        if word in TRAINING or word in OTHER_SPLITS:
            return word
    return None


def _sha256(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None


def _version(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    return status.st_size, status.st_mtime_ns
