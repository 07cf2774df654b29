"""What a source of images is: identified cheaply by a digest, opened only when there is something to prepare."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wgan.records import FileCount

NAMED_EXAMPLES = 3
"""Files that are named for each reason."""


@dataclass(frozen=True)
class CountedFiles:
    """Files counted by what they have in common: why they are left out, or how they were read."""

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
    """Class index; -1 where the data has no labels."""
    sha256: str | None = None
    """What the source's digest was computed from; a file with another content by now is left out."""
    refused: str | None = None
    """Why the source did not even read it."""


@dataclass(frozen=True)
class ImageFiles:
    """An opened source of encoded files, in the order of the data set."""

    count: int
    classes: tuple[str, ...]
    images: Iterable[EncodedImage]
    left_out: tuple[FileCount, ...] = ()
    """Files that are no images of the data set, by reason."""
    without_range: Iterable[EncodedImage] = ()
    """Those of the images whose samples may have no declared range: they are measured before any is decoded."""


@dataclass(frozen=True)
class ImageArrays:
    """An opened source of pixels: batches of (images, labels), uint8 (n, H, W) or (n, H, W, 3) and int64 (n,)."""

    count: int
    classes: tuple[str, ...]
    batches: Iterable[tuple[NDArray[np.uint8], NDArray[np.int64]]]
    open_test_split: Callable[[], ImageArrays] | None = None
    """The source's own test split, where it has one."""


@dataclass(frozen=True)
class Source:
    """Where images come from."""

    digest: str
    """SHA-256 (hex) that is another one exactly when the content is."""
    location: str | None
    """Without credentials."""
    count: int | None
    """Images to train on, where that is known before it is opened."""
    open: Callable[[Path], ImageFiles | ImageArrays]
    """Fetch, unpack and list the images; the argument is an empty scratch folder that outlives them."""
    test_split_digest: str | None = None
    """SHA-256 (hex) of the source's own test split, where it has one."""
    left_out: tuple[FileCount, ...] | None = None
    """Files that are no images of the data set, by reason, where that is known before it is opened."""


def content_digest(**facts: Any) -> str:
    """SHA-256 (hex) over the canonical JSON of what identifies a source or a data set."""
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def printable(name: str) -> str:
    """A file name as text that JSON can hold, whatever its bytes."""
    return name.encode("utf-8", "backslashreplace").decode()
