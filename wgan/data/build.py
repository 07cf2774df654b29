"""Build a data set: open the source, decode, write shards one at a time, upload them, and the manifest last."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wgan.config import DataConfig
from wgan.data.cache import cache_folder, cached_path
from wgan.data.decode_on_workers import write_shards_on_workers
from wgan.data.decoded import Decoded
from wgan.data.decoding import decode_arrays, decode_files
from wgan.data.deduplication import without_copies
from wgan.data.gathered import Gathered
from wgan.data.held_out import LEAST_HELD_OUT, held_out_positions
from wgan.data.images import DECODER, FORMAT_VERSION, Shape
from wgan.data.manifest import (
    HELD_OUT_NAME,
    LABELS_NAME,
    MANIFEST_NAME,
    ORIGINS_NAME,
    BadFile,
    DatasetDamaged,
    HeldOut,
    Labels,
    Manifest,
    OriginsFile,
    Shard,
    dataset_prefix,
    find_own_manifest,
    reference,
    sign_manifest,
)
from wgan.data.shards import images_per_shard, regroup
from wgan.data.source import ImageArrays, ImageFiles, Source
from wgan.data.workspace import workspace
from wgan.download.access import Access, Progress
from wgan.errors import DataError
from wgan.file_digest import file_sha256
from wgan.records import DatasetRef, FileCount
from wgan.storage import Storage

LEAST_IMAGES = 16
NAMED_BAD_FILES = 3


def build_dataset(config: DataConfig, source: Source, digest: str, access: Access) -> DatasetRef:
    """Prepare the images of a source and publish them under the digest; what is written here stays in the local cache.

    With WGAN_RAY_ADDRESS, the cluster's workers decode files and write the shards. Memory use is one shard, the chunks
    in flight and the labels, regardless of the size of the data set. Raises `DataError`.
    """
    prefix = dataset_prefix(access.settings, config.dataset_name, digest)
    folder = cache_folder(access.settings, config.dataset_name, digest)
    folder.mkdir(parents=True, exist_ok=True)
    with workspace(access.settings) as scratch:
        unpacked, compared, written = scratch / "source", scratch / "compared", scratch / "shards"
        for place in (unpacked, compared, written):
            place.mkdir()
        opened = source.open(unpacked)
        gathered, shards, labels, held_out, origins = _write(opened, config, prefix, compared, written, access)
        manifest = Manifest(
            format_version=FORMAT_VERSION,
            name=config.dataset_name,
            digest=digest,
            source=config.source,
            location=source.location,
            source_digest=source.digest,
            decoder=DECODER,
            image_size=config.image_size,
            channels=config.channels,
            crop=config.crop,
            count=len(gathered.labels),
            classes=opened.classes,
            shards=shards,
            labels=labels,
            held_out=held_out,
            origins=origins,
            bad_files=tuple(gathered.bad),
            left_out=_left_out(opened, config),
            copies=gathered.copies.counts(),
            remarks=gathered.remarks.counts(),
        )
        for entry in manifest.objects:
            if (path := cached_path(written, entry)).exists():
                path.replace(cached_path(folder, entry))
    return _publish(manifest, prefix, access)


def _left_out(opened: ImageFiles | ImageArrays, config: DataConfig) -> tuple[FileCount, ...]:
    """Other files in the source, and the images beyond the configured maximum."""
    found = opened.left_out if isinstance(opened, ImageFiles) else ()
    beyond = opened.count - (config.max_images or opened.count)
    if beyond <= 0:
        return found
    return (*found, FileCount(reason=f"beyond data.max_images={config.max_images}", count=beyond))


def judge_bad_files(config: DataConfig, bad: Sequence[BadFile], total: int) -> None:
    """Raise `DataError` when more than `max_bad_fraction` of `total` files are bad, with share, limit and examples."""
    if len(bad) <= config.max_bad_fraction * total:
        return
    named = [f"{file.name}: {file.reason}" for file in bad[:NAMED_BAD_FILES]]
    more = ["…"] if len(bad) > NAMED_BAD_FILES else []
    raise DataError(
        f"{len(bad)} of {total} files ({len(bad) / total:.1%}) of data set {config.dataset_name} do not decode, more "
        f"than data.max_bad_fraction={config.max_bad_fraction} allows ({'; '.join(named + more)})."
    )


def _write(
    opened: ImageFiles | ImageArrays, config: DataConfig, prefix: str, compared: Path, folder: Path, access: Access
) -> tuple[Gathered, tuple[Shard, ...], Labels | None, HeldOut | None, OriginsFile | None]:
    """Everything that the manifest names, in `folder` and in S3; `compared` is an empty scratch folder."""
    shape = Shape(config.image_size, config.channels, config.crop)
    total = _count(opened, config)
    path = folder / ORIGINS_NAME
    with path.open("w", encoding="utf-8", newline="") as file:
        gathered = Gathered(file)
        if isinstance(opened, ImageFiles) and access.settings.ray_address and config.deduplicate == "none":
            fraction = config.held_out_fraction
            shards = write_shards_on_workers(opened, shape, total, fraction, prefix, gathered, access)
        else:
            decoded = _decoded(opened, config, shape, access)
            if config.deduplicate != "none":
                decoded = without_copies(decoded, config.deduplicate, shape, compared, gathered.copies)
            batches = _watched(decoded, gathered, config.held_out_fraction)
            shards = _write_shards(batches, shape, folder, prefix, access.storage)
    judge_bad_files(config, gathered.bad, total)
    kept_out = gathered.held_out if len(gathered.held_out) >= LEAST_HELD_OUT else array("q")
    _check_enough(config, len(gathered.labels), len(kept_out))
    labels = held_out = origins = None
    if opened.classes:
        labels = Labels(**_write_integers(gathered.labels, folder / LABELS_NAME, prefix, access.storage))
    if kept_out:
        written = _write_integers(kept_out, folder / HELD_OUT_NAME, prefix, access.storage)
        held_out = HeldOut(**written, count=len(kept_out))
    if isinstance(opened, ImageFiles):
        origins = OriginsFile(**_upload(path, prefix, access.storage))
    return gathered, shards, labels, held_out, origins


def _count(opened: ImageFiles | ImageArrays, config: DataConfig) -> int:
    return min(opened.count, config.max_images or opened.count)


def _decoded(opened: ImageFiles | ImageArrays, config: DataConfig, shape: Shape, access: Access) -> Iterator[Decoded]:
    """The images in order, decoded on this machine, then those of the source's own test split."""
    total = _count(opened, config)
    if isinstance(opened, ImageArrays):
        decoded = decode_arrays(opened, shape, total)
    else:
        decoded = decode_files(opened, shape, access.settings.prepare_workers, total)
    if test_split := _test_split(opened, config):
        test_total = _count(test_split, config)
        tests = decode_arrays(test_split, shape, test_total)
        decoded = chain(_on_side(decoded, held_out=False), _on_side(tests, held_out=True))
        total += test_total
    return _reported(decoded, total, access.progress)


def _on_side(decoded: Iterable[Decoded], held_out: bool) -> Iterator[Decoded]:
    return (replace(run, held_out=held_out) for run in decoded)


def _reported(decoded: Iterable[Decoded], total: int, progress: Progress) -> Iterator[Decoded]:
    done = 0
    for run in decoded:
        done += len(run.labels) + len(run.bad)
        progress("decode", done, total)
        yield run


def _test_split(opened: ImageFiles | ImageArrays, config: DataConfig) -> ImageArrays | None:
    if isinstance(opened, ImageArrays) and opened.open_test_split and config.held_out_fraction:
        return opened.open_test_split()
    return None


def _check_enough(config: DataConfig, count: int, held_out: int) -> None:
    if count - held_out >= LEAST_IMAGES:
        return
    kept = f", of which data.held_out_fraction={config.held_out_fraction} leaves {count - held_out}" if held_out else ""
    raise DataError(
        f"data set {config.dataset_name} has {count} images that decode{kept}; at least {LEAST_IMAGES} are needed."
    )


def _watched(decoded: Iterable[Decoded], gathered: Gathered, fraction: float) -> Iterator[NDArray[np.uint8]]:
    """The pixels; everything else goes to `gathered`."""
    for run in decoded:
        if run.held_out is None:
            gathered.add(run, held_out_positions(run.pixels, fraction, start=0))
        else:
            gathered.add(run, range(len(run.labels)) if run.held_out else ())
        yield run.pixels


def _write_shards(
    batches: Iterable[NDArray[np.uint8]], shape: Shape, folder: Path, prefix: str, storage: Storage
) -> tuple[Shard, ...]:
    shards = []
    for number, pixels in enumerate(regroup(batches, shape, images_per_shard(shape))):
        path = folder / f"images-{number:05d}.npy"
        np.save(path, pixels)
        storage.put_file(prefix + path.name, path)
        shards.append(Shard(key=prefix + path.name, sha256=file_sha256(path), count=len(pixels)))
    return tuple(shards)


def _write_integers(values: array[int], path: Path, prefix: str, storage: Storage) -> dict[str, str]:
    """Write and upload an int64 vector; its key and SHA-256."""
    np.save(path, np.array(values, dtype=np.int64))
    return _upload(path, prefix, storage)


def _upload(path: Path, prefix: str, storage: Storage) -> dict[str, str]:
    storage.put_file(prefix + path.name, path)
    return {"key": prefix + path.name, "sha256": file_sha256(path)}


def _publish(manifest: Manifest, prefix: str, access: Access) -> DatasetRef:
    """Write the manifest, unless another preparation has already published the same shards."""
    storage = access.storage
    try:
        other = find_own_manifest(access.settings, storage, prefix)
    except DatasetDamaged:
        other = None
    if other and other[0].training_objects == manifest.training_objects and other[0].bad_files == manifest.bad_files:
        return other[1]
    content = manifest.to_bytes()
    sign_manifest(content, access.settings, storage, prefix)
    uri = storage.put_bytes(prefix + MANIFEST_NAME, content, "application/json")
    return reference(manifest, uri, content)
