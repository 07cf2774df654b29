"""Describes a prepared data set for a person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from wgan.data.dataset import PreparedImages, open_dataset, read_manifest
from wgan.data.manifest import BadFile, list_datasets
from wgan.errors import UsageError
from wgan.pixels import image_grid
from wgan.records import DatasetRef
from wgan.settings import Settings
from wgan.storage.objects import Storage, split_uri

GRID_IMAGES = 64


@dataclass(frozen=True)
class Description:
    """A data set, described."""

    ref: DatasetRef
    location: str | None
    decoder: str
    format_version: int
    crop: str
    """`data.crop`."""
    class_counts: dict[str, int]
    """Number of training images by class name; empty for unlabelled data."""
    bad_files: tuple[BadFile, ...]
    grid: Image.Image
    """Images spread evenly over the data set."""


def find_dataset(name: str, digest: str, settings: Settings, storage: Storage) -> DatasetRef:
    """The prepared data set with this name and digest prefix; the most recent one if there are several.

    Raises `UsageError` listing the existing ones.
    """
    refs = list_datasets(storage, settings)
    found = [ref for ref in refs if ref.name == name and ref.digest.startswith(digest)]
    if not found:
        known = ", ".join(sorted({ref.name for ref in refs})) or "none yet: `wgan data prepare` creates one"
        raise UsageError(f"there is no prepared data set {name!r}{f' {digest}…' if digest else ''}; there is {known}.")
    if len(found) == 1:
        return found[0]
    prefix = f"{settings.datasets_prefix}/{name}/"
    written = {entry.key: entry.modified for entry in storage.list(prefix)}
    return max(found, key=lambda ref: written[split_uri(ref.uri)[1]])


def describe(ref: DatasetRef, settings: Settings, storage: Storage) -> Description:
    """Describe a data set. Raises `DatasetDamaged`, `StorageError`."""
    manifest, images = read_manifest(ref, storage), open_dataset(ref, settings, storage)
    counts = {}
    if images.labels is not None:
        totals = np.bincount(images.labels, minlength=len(ref.classes))
        counts = {name: int(total) for name, total in zip(ref.classes, totals, strict=False)}
    return Description(
        ref,
        manifest.location,
        manifest.decoder,
        manifest.format_version,
        manifest.crop,
        counts,
        manifest.bad_files,
        _grid(images),
    )


def _grid(images: PreparedImages) -> Image.Image:
    chosen = np.linspace(0, images.count - 1, min(GRID_IMAGES, images.count)).astype(np.int64)
    return image_grid(images.gather(chosen), scale=max(1, 64 // images.image_size))
