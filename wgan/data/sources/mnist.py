"""`mnist`, `fashion-mnist`, `kmnist`: 60,000 training and 10,000 test images, 28×28, in idx files.

Names, checksums and addresses are torchvision's; its downloader is not used because it has neither timeouts nor a size
limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wgan.data.idx import read_idx
from wgan.data.source import ImageArrays, Source, content_digest
from wgan.download.access import Access
from wgan.download.cache import PublishedFile, fetch_published
from wgan.download.fetch import Checksum
from wgan.errors import DataError

COUNTS = {"train": 60_000, "test": 10_000}
Split = Literal["train", "test"]
BATCH = 4096


def mnist_source(name: str, access: Access) -> Source:
    """One of the three sets, identified by its published checksums. Raises `DataError` without torchvision."""

    def open_mnist(scratch: Path) -> ImageArrays:
        def opened(split: Split) -> ImageArrays:
            images, labels = read_split(name, split, access)
            return ImageArrays(len(images), class_names(name), batched(images, labels))

        return replace(opened("train"), open_test_split=lambda: opened("test"))

    return Source(
        split_digest(name, "train"), None, COUNTS["train"], open_mnist, test_split_digest=split_digest(name, "test")
    )


def split_digest(name: str, split: Split) -> str:
    """SHA-256 (hex) over the published checksums of a split's two files."""
    return content_digest(source=name, md5=[file.checksum.hex for file in split_files(name, split)])


def split_files(name: str, split: Split) -> tuple[PublishedFile, PublishedFile]:
    """Images and labels of a split, from torchvision's tables."""
    table = _table(name)
    images, labels = (
        PublishedFile(name, file, tuple(f"{mirror}{file}" for mirror in table.mirrors), Checksum("md5", md5))
        for file, md5 in (table.resources[:2] if split == "train" else table.resources[2:])
    )
    return images, labels


def class_names(name: str) -> tuple[str, ...]:
    """Names by label; MNIST's are the digits."""
    return tuple("0123456789") if name == "mnist" else tuple(_table(name).classes)


def read_split(name: str, split: Split, access: Access) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (N, 28, 28), uint8, and labels (N,), int64, fetched unless cached. Raises `DataError`."""
    images_file, labels_file = split_files(name, split)
    images = read_idx(fetch_published(images_file, access), dimensions=3)
    labels = read_idx(fetch_published(labels_file, access), dimensions=1).astype(np.int64)
    count = COUNTS[split]
    if len(images) != count or len(labels) != count:
        raise DataError(f"{name} ({split}) holds {len(images)} images and {len(labels)} labels, not {count} of each.")
    return images, labels


def batched(
    images: NDArray[np.uint8], labels: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Consecutive slices of both."""
    for start in range(0, len(images), BATCH):
        yield images[start : start + BATCH], labels[start : start + BATCH]


def torchvision_datasets(source: str) -> ModuleType:
    """`torchvision.datasets`. Raises `DataError` naming the source that needs it when it is not installed."""
    try:
        import torchvision.datasets
    except ImportError:
        raise DataError(f"data.source={source} needs torchvision: pip install 'wgan-pipeline[train]'.") from None
    return torchvision.datasets  # type: ignore[no-any-return]


def _table(name: str) -> Any:
    tables = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "kmnist": "KMNIST"}
    return getattr(torchvision_datasets(name), tables[name])
