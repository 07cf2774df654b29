"""`cifar10`: 50,000 training and 10,000 test images, 32×32 RGB, from the official binary version.

Not through torchvision: it reads the Python version, which is pickle and can run code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wgan.data.archives import extract_archive
from wgan.data.source import ImageArrays, Source, content_digest
from wgan.download.access import Access
from wgan.download.cache import PublishedFile, fetch_published
from wgan.download.fetch import Checksum
from wgan.errors import DataError

ARCHIVE = PublishedFile(
    "cifar10",
    "cifar-10-binary.tar.gz",
    ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
    Checksum("md5", "c32a1d4ab5d03f1284b67883e8d87530"),
)
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
RECORD_BYTES = 1 + 3 * 32 * 32
"""A label, then the planes R, G and B."""


def cifar10_source(access: Access) -> Source:
    """CIFAR-10, identified by the published checksum of its archive."""
    archive = ARCHIVE

    def open_cifar10(scratch: Path) -> ImageArrays:
        extract_archive(fetch_published(archive, access), scratch, access.settings.download_max_bytes, access.progress)

        def opened(pattern: str) -> ImageArrays:
            files = sorted(scratch.rglob(pattern))
            if not files:
                raise DataError(f"{archive.name} holds no {pattern}: it is not the binary version of CIFAR-10.")
            count = sum(file.stat().st_size for file in files) // RECORD_BYTES
            return ImageArrays(count, CLASSES, _batches(files))

        return replace(opened("data_batch_*.bin"), open_test_split=lambda: opened("test_batch.bin"))

    digest = content_digest(source="cifar10", checksum=archive.checksum.hex)
    return Source(digest, None, None, open_cifar10, test_split_digest=digest)


def _batches(files: list[Path]) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    for file in files:
        records = np.fromfile(file, dtype=np.uint8)
        if len(records) % RECORD_BYTES:
            raise DataError(f"{file.name} does not hold whole CIFAR-10 records of {RECORD_BYTES} bytes.")
        rows = records.reshape(-1, RECORD_BYTES)
        if len(rows) == 0 or rows[:, 0].max() >= len(CLASSES):
            raise DataError(f"{file.name} holds no records, or labels that CIFAR-10 does not have: it is damaged.")
        yield (
            np.ascontiguousarray(rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)),
            rows[:, 0].astype(np.int64),
        )
