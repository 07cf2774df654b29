"""Prepare a data set: identify the source, build it only if its digest is new, repair damaged copies."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from wgan.config import DataConfig
from wgan.data.build import build_dataset, judge_bad_files
from wgan.data.cache import cache_folder, cached_path, fetch, is_intact
from wgan.data.dataset import PreparedImages, open_dataset, read_manifest
from wgan.data.find_source import find_source
from wgan.data.images import FORMAT_VERSION
from wgan.data.manifest import DatasetDamaged, Manifest, bad_by_reason, dataset_prefix, find_own_manifest
from wgan.data.source import Source, content_digest
from wgan.download.access import Access, Progress, RetryPolicy
from wgan.errors import DataError
from wgan.records import DatasetRef
from wgan.settings import Settings
from wgan.storage import Storage

log = logging.getLogger(__name__)


def prepare_dataset(
    config: DataConfig,
    settings: Settings,
    storage: Storage,
    progress: Progress | None = None,
    *,
    verify: bool = False,
    retries: RetryPolicy | None = None,
) -> DatasetRef:
    """The prepared data set of a configuration: reused if it was prepared before, else built now.

    Reusing one only identifies the source and reads the manifest. With `verify`, every shard also gets an intact local
    copy, and missing or damaged objects in S3 are repaired (`repair_dataset`). Concurrent preparations of one digest
    write the same bytes under the same keys. Raises `DataError` if the source is unavailable, more than
    `config.max_bad_fraction` of its files do not decode, or fewer than 16 do; `UsageError`, `StorageError`.
    """
    access = Access(settings, storage, retries or RetryPolicy(), progress or _no_progress)
    with _disk_in_one_sentence(config):
        source = find_source(config, access)
        digest = dataset_digest(config, source)
        ref = _found(config, digest, access) or build_dataset(config, source, digest, access)
        if verify:
            try:
                open_dataset(ref, settings, storage)
                whole = _all_stored(ref, access)
            except DatasetDamaged:
                whole = False
            if not whole:
                ref = _repair(config, source, digest, access)
        return _with_current_remarks(ref, source, access)


def repair_dataset(
    config: DataConfig,
    settings: Settings,
    storage: Storage,
    progress: Progress | None = None,
    *,
    retries: RetryPolicy | None = None,
    pinned: str | None = None,
) -> DatasetRef:
    """Read every object of the data set in S3 and repair missing or damaged ones.

    `pinned` is the SHA-256 of the manifest that a record names; only that manifest is accepted. Objects are restored
    from an intact copy in the local cache if there is one, else by preparing the source again. Raises what
    `prepare_dataset` raises.
    """
    access = Access(settings, storage, retries or RetryPolicy(), progress or _no_progress)
    with _disk_in_one_sentence(config):
        source = find_source(config, access)
        return _repair(config, source, dataset_digest(config, source), access, pinned)


def open_or_repair(
    ref: DatasetRef, config: DataConfig, settings: Settings, storage: Storage, progress: Progress | None = None
) -> PreparedImages:
    """Open a data set; if S3's copy is damaged, or its manifest is not the one `ref` pins, repair it first.

    S3's copy is then trusted only with that manifest or this pipeline's signature; otherwise the data set is prepared
    again from its source. Raises `DataError` if the source has changed.
    """
    try:
        return open_dataset(ref, settings, storage)
    except DatasetDamaged as damage:
        repaired = repair_dataset(config, settings, storage, progress, pinned=ref.manifest_sha256)
        if repaired.digest != ref.digest:
            raise DataError(
                f"{damage} It cannot be repaired because its source has changed: prepare it again."
            ) from None
        return open_dataset(repaired, settings, storage)


def _with_current_remarks(ref: DatasetRef, source: Source, access: Access) -> DatasetRef:
    """The record with the files the source skips today: they do not change the data set's identity."""
    if source.left_out is None:
        return ref
    if not ref.left_out:
        return ref.model_copy(update={"left_out": source.left_out})
    manifest = read_manifest(ref, access.storage)
    left_out = (*source.left_out, *manifest.copies, *bad_by_reason(manifest.bad_files))
    return ref.model_copy(update={"left_out": left_out})


def dataset_digest(config: DataConfig, source: Source) -> str:
    """SHA-256 over the source's digest and everything that determines the pixels."""
    cut = config.max_images if source.count is None or source.count > (config.max_images or source.count) else None
    return content_digest(
        format=FORMAT_VERSION,
        source=source.digest,
        image_size=config.image_size,
        channels=config.channels,
        max_images=cut,
        held_out=_held_out_rule(config, source),
        **({} if config.crop == "centre" else {"crop": config.crop}),
        **_deduplication_rule(config),
    )


def _held_out_rule(config: DataConfig, source: Source) -> str | float:
    if config.held_out_fraction and source.test_split_digest:
        return source.test_split_digest
    return config.held_out_fraction


def _deduplication_rule(config: DataConfig) -> dict[str, str]:
    """Nothing by default, so that data sets from before there was a choice keep their digests."""
    return {} if config.deduplicate == "none" else {"deduplicate": config.deduplicate}


def _described(config: DataConfig, digest: str, access: Access) -> tuple[Manifest, DatasetRef] | None:
    """The manifest of an earlier preparation; None also if it is damaged or forged, so that it is rewritten."""
    try:
        return find_own_manifest(
            access.settings, access.storage, dataset_prefix(access.settings, config.dataset_name, digest)
        )
    except DatasetDamaged as damage:
        log.warning("%s It is ignored, and the data set is prepared again from its source.", damage)
        return None


def _found(config: DataConfig, digest: str, access: Access) -> DatasetRef | None:
    if (found := _described(config, digest, access)) is None:
        return None
    manifest, ref = found
    copies = sum(entry.count for entry in manifest.copies)
    judge_bad_files(config, manifest.bad_files, manifest.count + copies + len(manifest.bad_files))
    return ref


def _all_stored(ref: DatasetRef, access: Access) -> bool:
    """Whether S3 lists every object, for machines without a local copy."""
    stored = {entry.key for entry in access.storage.list(dataset_prefix(access.settings, ref.name, ref.digest))}
    return stored.issuperset(entry.key for entry in read_manifest(ref, access.storage).objects)


def _repair(config: DataConfig, source: Source, digest: str, access: Access, pinned: str | None = None) -> DatasetRef:
    storage = access.storage
    folder = cache_folder(access.settings, config.dataset_name, digest)
    if (found := _described(config, digest, access)) is None:
        return build_dataset(config, source, digest, access)
    manifest, ref = found
    if access.settings.signing_key is None and pinned not in (None, ref.manifest_sha256):
        return build_dataset(config, source, digest, access)
    for done, entry in enumerate(manifest.objects, start=1):
        try:
            fetch(entry, folder, storage)
        except DatasetDamaged:
            if not is_intact(path := cached_path(folder, entry), entry.sha256):
                return build_dataset(config, source, digest, access)
            storage.put_file(entry.key, path)
        access.progress("verify", done, len(manifest.objects))
    return ref


@contextmanager
def _disk_in_one_sentence(config: DataConfig) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise DataError(
            f"data set {config.dataset_name} cannot be prepared: {error.strerror or error}{where}."
        ) from None


def _no_progress(phase: str, done: int, total: int | None) -> None:
    """Report no progress."""
