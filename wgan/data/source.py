"""A source of images: identified cheaply by a digest, opened only if there is something to prepare."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from wgan.records import FileCount
from wgan.storage import Storage

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode
NAMED_EXAMPLES = 3
"""Number of example files per reason."""


@dataclass(frozen=True)
class CountedFiles:
    """Files counted by reason: why they were skipped, or how they were read."""

    _counts: Counter[str] = field(default_factory=Counter)
    _examples: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, reason: str, name: str) -> None:
        """One more file."""
        self._counts[reason] += 1
        if len(self._examples[reason]) < NAMED_EXAMPLES:
            self._examples[reason].append(printable(name))

    def counts(self) -> tuple[FileCount, ...]:
        """Most frequent reason first."""
        order = sorted(self._counts.items(), key=lambda entry: (-entry[1], entry[0]))
        return tuple(
            FileCount(reason=reason, count=count, examples=tuple(sorted(self._examples[reason])))
            for reason, count in order
        )


@dataclass(frozen=True)
class EncodedImage:
    """One image file: where it is, or its bytes."""

    name: str
    content: Path | bytes
    label: int = -1
    """Class index; -1 for unlabelled data."""
    sha256: str | None = None
    """The content hash in the source's digest; a file that has changed since is skipped."""
    refused: str | None = None
    """Why the source did not read it."""


class Range(Protocol):
    """Some consecutive images, for another machine: their bytes, or where they are."""

    @property
    def files(self) -> str:
        """The names of the first and the last."""

    def read(self, storage: Storage) -> Iterable[EncodedImage]:
        """The images, in order."""


@runtime_checkable
class Divisible(Protocol):
    """Images that any machine can fetch by itself."""

    def __iter__(self) -> Iterator[EncodedImage]: ...

    def ranges(self, limit: int, size: int) -> Iterator[Range]:
        """The first `limit` images, in ranges of `size`."""


@dataclass(frozen=True)
class ImageFiles:
    """An opened source of encoded files, in the order of the data set."""

    count: int
    classes: tuple[str, ...]
    images: Iterable[EncodedImage]
    left_out: tuple[FileCount, ...] = ()
    """Files that are not images of the data set, by reason."""
    without_range: Iterable[EncodedImage] = ()
    """Images whose samples may have no declared range: they are measured before decoding starts."""


@dataclass(frozen=True)
class ImageArrays:
    """An opened source of pixels: batches of (images, labels), uint8 (n, H, W) or (n, H, W, 3) and int64 (n,)."""

    count: int
    classes: tuple[str, ...]
    batches: Iterable[tuple[NDArray[np.uint8], NDArray[np.int64]]]
    open_test_split: Callable[[], ImageArrays] | None = None
    """The source's own test split, if it has one."""


@dataclass(frozen=True)
class Source:
    """Where images come from."""

    digest: str
    """SHA-256 (hex) that changes exactly when the content does."""
    location: str | None
    """The address, without credentials."""
    count: int | None
    """Number of training images, if known before opening."""
    open: Callable[[Path], ImageFiles | ImageArrays]
    """Fetch, unpack and list the images; the argument is an empty scratch folder that outlives them."""
    test_split_digest: str | None = None
    """SHA-256 (hex) of the source's own test split, if it has one."""
    left_out: tuple[FileCount, ...] | None = None
    """Files that are not images of the data set, by reason, if known before opening."""


def content_digest(**facts: Any) -> str:
    """SHA-256 (hex) over the canonical JSON of what identifies a source or a data set."""
    return hashlib.sha256(_canonical(facts).encode()).hexdigest()


def digest_of_objects(objects: Iterable[Any], **facts: Any) -> str:
    """`content_digest(objects=[…], **facts)` of objects that are not all in memory."""
    digest = hashlib.sha256(b"{")
    for number, name in enumerate(sorted(("objects", *facts))):
        digest.update(f"{',' if number else ''}{_canonical(name)}:".encode())
        if name == "objects":
            digest.update(b"[")
            for position, entry in enumerate(objects):
                digest.update(f"{',' if position else ''}{_canonical(entry)}".encode())
            digest.update(b"]")
        else:
            digest.update(_canonical(facts[name]).encode())
    digest.update(b"}")
    return digest.hexdigest()


def printable(name: str) -> str:
    """A file name as valid JSON text, whatever its bytes."""
    return name.encode("utf-8", "backslashreplace").decode()
