"""Opens a prepared data set: memory-mapped from the local cache, so that nothing is decoded or copied twice."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from wgan.arrays import NotAnArray, load_array
from wgan.data.cache import cache_folder, cached_path, fill_cache
from wgan.data.held_out import training_rows
from wgan.data.manifest import DatasetDamaged, Manifest, parse_manifest
from wgan.data.origins import Origins, read_origins
from wgan.errors import ObjectMissing
from wgan.records import DatasetRef
from wgan.settings import Settings
from wgan.storage import Storage, split_uri

Value = TypeVar("Value", bound=np.generic)


@dataclass(frozen=True)
class PreparedImages:
    """Images of a prepared data set, in its order: the training images or the held-out ones."""

    ref: DatasetRef
    shards: tuple[NDArray[np.uint8], ...]
    starts: NDArray[np.int64]
    rows: NDArray[np.int64]
    """Position of each image in the concatenated shards; shape (count,), ascending."""
    labels: NDArray[np.int64] | None
    """Class index of every image, shape (count,), or None for unlabelled data."""
    held_out: PreparedImages | None
    """The held-out images of a set of training images; None if there are none."""

    @property
    def count(self) -> int:
        """Images."""
        return len(self.rows)

    @property
    def channels(self) -> int:
        """1 grey, 3 RGB."""
        return self.ref.channels

    @property
    def image_size(self) -> int:
        """Height and width, pixels."""
        return self.ref.image_size

    def gather(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Images in the order of `indices` (N,), int64 in [0, count): a fresh (N, C, H, W) uint8 array.

        Raises `IndexError` for an index out of range.
        """
        if indices.size and not (indices.min() >= 0 and indices.max() < self.count):
            raise IndexError(f"image indices must be in [0, {self.count})")
        images = np.empty((len(indices), self.channels, self.image_size, self.image_size), dtype=np.uint8)
        rows = self.rows[indices]
        owners = np.searchsorted(self.starts, rows, side="right") - 1
        for shard in np.unique(owners):
            chosen = owners == shard
            images[chosen] = self.shards[shard][rows[chosen] - self.starts[shard]]
        return images


def open_dataset(ref: DatasetRef, settings: Settings, storage: Storage) -> PreparedImages:
    """Open the training images; every byte is verified against the manifest, and the manifest against `ref`.

    Missing or damaged files of the local cache are fetched from S3. Raises `DatasetDamaged` (a `DataError`) naming
    the object when S3's copy is missing or damaged too.
    """
    manifest = read_manifest(ref, storage)
    folder = cache_folder(settings, ref.name, ref.digest)
    fill_cache(manifest, folder, storage)
    shape = (ref.channels, ref.image_size, ref.image_size)
    shards = tuple(_map(cached_path(folder, shard), np.uint8, (shard.count, *shape)) for shard in manifest.shards)
    starts = np.cumsum([0, *(shard.count for shard in manifest.shards)], dtype=np.int64)[:-1]
    labels = None
    if manifest.labels:
        labels = np.array(_map(cached_path(folder, manifest.labels), np.int64, (manifest.count,)))
    kept_out = np.empty(0, dtype=np.int64)
    if manifest.held_out:
        kept_out = np.array(_map(cached_path(folder, manifest.held_out), np.int64, (manifest.held_out.count,)))

    if labels is not None and not _within(labels, -1, len(ref.classes)):
        raise DatasetDamaged(f"the labels of {ref.uri} name classes that it does not have.")
    if not _within(kept_out, 0, manifest.count) or len(np.unique(kept_out)) != len(kept_out):
        raise DatasetDamaged(f"the held-out positions of {ref.uri} are not those of images.")

    def part(rows: NDArray[np.int64], held_out: PreparedImages | None) -> PreparedImages:
        return PreparedImages(ref, shards, starts, rows, None if labels is None else labels[rows], held_out)

    return part(training_rows(manifest.count, kept_out), part(kept_out, None) if len(kept_out) else None)


def all_images(images: PreparedImages) -> PreparedImages:
    """The training images and the held-out ones together, in the order of the shards."""
    if images.held_out is None:
        return images
    rows = np.concatenate([images.rows, images.held_out.rows])
    order = np.argsort(rows)
    labels = None
    if images.labels is not None and images.held_out.labels is not None:
        labels = np.concatenate([images.labels, images.held_out.labels])[order]
    return replace(images, rows=rows[order], labels=labels, held_out=None)


def open_origins(ref: DatasetRef, settings: Settings, storage: Storage) -> Origins | None:
    """The files that the images came from, in the order of the shards; None if the data set does not name them.

    Raises `DatasetDamaged`.
    """
    manifest = read_manifest(ref, storage)
    if manifest.origins is None:
        return None
    folder = cache_folder(settings, ref.name, ref.digest)
    fill_cache(manifest, folder, storage)
    try:
        origins = read_origins(cached_path(folder, manifest.origins))
    except ValueError as error:
        raise DatasetDamaged(f"the origins of {ref.uri} are damaged ({error}).") from None
    if len(origins.names) != manifest.count:
        raise DatasetDamaged(f"the origins of {ref.uri} are not those of its images.")
    return origins


def read_manifest(ref: DatasetRef, storage: Storage) -> Manifest:
    """The manifest a record points to. Raises `DatasetDamaged` if it is missing or not the recorded one."""
    bucket, key = split_uri(ref.uri)
    try:
        content = storage.at(bucket).get_bytes(key)
    except ObjectMissing:
        raise DatasetDamaged(
            f"there is no data set {ref.uri}: `wgan data prepare` with its configuration makes it."
        ) from None
    if hashlib.sha256(content).hexdigest() != ref.manifest_sha256:
        raise DatasetDamaged(f"the manifest {ref.uri} is not the one that was recorded: it was altered or rebuilt.")
    return parse_manifest(content, ref.uri)


def _within(values: NDArray[np.int64], low: int, end: int) -> bool:
    return values.size == 0 or bool(values.min() >= low and values.max() < end)


def _map(path: Path, dtype: type[Value], shape: tuple[int, ...]) -> NDArray[Value]:
    try:
        array: NDArray[Value] = load_array(path, mapped=True)
    except NotAnArray as reason:
        raise DatasetDamaged(f"{path.name} of a prepared data set is not an array file ({reason}).") from None
    if array.dtype != dtype or array.shape != shape:
        raise DatasetDamaged(
            f"{path.name} of a prepared data set holds {array.dtype} {array.shape}, not {dtype.__name__} {shape}: "
            "the manifest and its shards contradict each other."
        )
    return array
