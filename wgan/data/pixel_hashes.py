"""The hashes by which an image is recognised in another data set; they are kept beside the data set in S3."""

from __future__ import annotations

import hashlib
import logging

import numpy as np
from numpy.typing import NDArray

from wgan.data.dataset import all_images, open_dataset
from wgan.data.manifest import dataset_prefix
from wgan.errors import ObjectMissing
from wgan.records import DatasetRef
from wgan.settings import Settings
from wgan.storage import Storage
from wgan.storage.signing import NotSigned, sealed, unsealed

log = logging.getLogger(__name__)

NAME = "pixel-hashes"
STORED = np.dtype("<u8")
BATCH = 256


def pixel_hash(image: NDArray[np.uint8]) -> int:
    """The first 64 bits of the SHA-256 of the pixels of an image (C, H, W)."""
    return int.from_bytes(hashlib.sha256(image.tobytes()).digest()[:8])


def pixel_hashes(dataset: DatasetRef, settings: Settings, storage: Storage) -> NDArray[np.uint64]:
    """The hash of every image, training and held-out, in the order of the shards; uint64 (n,).

    They are computed from the images, and stored, where that was not done yet or what is stored is not usable. Raises
    `DatasetDamaged`, `StorageError`.
    """
    stored = _stored(dataset, settings, storage)
    if stored is not None:
        return stored
    images = all_images(open_dataset(dataset, settings, storage))
    hashes = np.empty(images.count, dtype=np.uint64)
    for start in range(0, images.count, BATCH):
        batch = images.gather(np.arange(start, min(start + BATCH, images.count)))
        hashes[start : start + len(batch)] = [pixel_hash(image) for image in batch]
    store_pixel_hashes(dataset, hashes, settings, storage)
    return hashes


def store_pixel_hashes(dataset: DatasetRef, hashes: NDArray[np.uint64], settings: Settings, storage: Storage) -> None:
    """Keep the hashes of all images, in the order of the shards, beside the data set, signed."""
    content = sealed(_signed_name(dataset), hashes.astype(STORED).tobytes(), settings)
    storage.put_bytes(_key(dataset, settings), content, "application/octet-stream")


def _stored(dataset: DatasetRef, settings: Settings, storage: Storage) -> NDArray[np.uint64] | None:
    try:
        content = unsealed(_signed_name(dataset), storage.get_bytes(_key(dataset, settings)), settings)
    except ObjectMissing:
        return None
    except NotSigned as reason:
        log.warning("The hashes beside data set %s are computed again: %s.", dataset.digest[:12], reason)
        return None
    if len(content) != STORED.itemsize * (dataset.count + dataset.held_out_count):
        log.warning("The hashes beside data set %s are computed again: some are missing.", dataset.digest[:12])
        return None
    return np.frombuffer(content, STORED).astype(np.uint64)


def _key(dataset: DatasetRef, settings: Settings) -> str:
    return dataset_prefix(settings, dataset.name, dataset.digest) + NAME


def _signed_name(dataset: DatasetRef) -> str:
    return f"/{dataset.name}/{dataset.digest}/{NAME}"
