"""Measures one generator, a registered version or a checkpoint, beside real images and an untrained one."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from wgan import progress
from wgan.config import DataConfig, EvaluationConfig, RetrainConfig
from wgan.data.dataset import PreparedImages, open_dataset
from wgan.data.manifest import DIGEST, DatasetDamaged, dataset_prefix, find_own_manifest
from wgan.data.prepare import open_or_repair, prepare_dataset
from wgan.errors import CheckpointError, DataError, ObjectMissing, UsageError
from wgan.evaluation.metrics.modes import PACGAN_SAMPLES
from wgan.evaluation.side_by_side import GenerateImages
from wgan.metric_text.table import interval_text
from wgan.model_version.inference import open_generator
from wgan.records import Bounds, DatasetRef, Measurement, PublishedNumbers, Record
from wgan.registry.versions import fetch_version, load_configuration, load_version
from wgan.scratch import scratch_folder
from wgan.settings import Settings
from wgan.steps.side_by_side import measure_generators
from wgan.storage import Storage, split_uri
from wgan.training.checkpoint import load_generator, load_run
from wgan.training.device import resolve_device
from wgan.training.sampling import generate_images

ProtocolName = Literal["quick", "standard", "paper"]
QUICK_IMAGES, QUICK_SEEDS = 256, 3
PAPER_IMAGES, PAPER_SEEDS = 10_000, 3
"""Lucic et al. (2018): 10,000 images through Inception."""


class Report(Record):
    """The result of `wgan evaluate`."""

    target: str = Field(description="models:/<name>/<version>, or the checkpoint's address.")
    protocol_name: ProtocolName
    dataset: DatasetRef
    measurement: Measurement
    bounds: Bounds = Field(description="Real images and untrained generator under the same protocol.")
    published: PublishedNumbers | None = Field(
        None, description="FID and Inception score as papers print them; with the protocol paper only."
    )

    @property
    def headline(self) -> str:
        """The target, its Fréchet distance and the protocol, in one line."""
        fid = self.measurement.metrics.get("fid")
        distance = f", Fréchet distance {interval_text(fid)}" if fid else ""
        return f"{self.target} on {self.dataset.name}{distance}, protocol {self.protocol_name}"


def named_protocol(config: RetrainConfig, name: ProtocolName) -> EvaluationConfig:
    """`standard`: the run's own protocol; `quick`: fewer images and seeds; `paper`: as in the papers."""
    own = config.evaluation
    if name == "standard":
        return own
    if name == "quick":
        return own.model_copy(
            update={"sample_count": min(own.sample_count, QUICK_IMAGES), "seeds": min(own.seeds, QUICK_SEEDS)}
        )
    if config.data.source == "stacked-mnist":
        as_in_paper = {"extractor": "classifier", "sample_count": PACGAN_SAMPLES, "captured_share": 0.0}
    else:
        as_in_paper = {"extractor": "inception", "sample_count": PAPER_IMAGES}
    return own.model_copy(update={**as_in_paper, "seeds": PAPER_SEEDS})


def measure_version(model: str, version: int, protocol: ProtocolName, settings: Settings, storage: Storage) -> Report:
    """Measure a registered version on the data it was trained on. Raises `UsageError`, `WganError`."""
    record = load_version(model, version, settings)
    config = load_configuration(model, version, settings)
    with scratch_folder("evaluation") as folder:
        generator = open_generator(fetch_version(model, version, settings, Path(folder)))
        dataset = record.evaluation.training.dataset
        images = open_or_repair(dataset, config.data, settings, storage, progress.report)
        return _report(record.uri, generator.generate, config, images, protocol, settings, storage)


def measure_checkpoint(
    address: str,
    protocol: ProtocolName,
    settings: Settings,
    storage: Storage,
    model: str | None = None,
    *,
    fetch_data: bool = False,
) -> Report:
    """Measure the generator in a checkpoint, `s3://…` or a local path, on the data it was trained on.

    A checkpoint may name any source, so the source is read only with `fetch_data`, and only if the data is incomplete
    in storage. Raises `UsageError` if `model` is not the one that the checkpoint's run registers, `CheckpointError` if
    the file is missing or damaged, `DataError` if its data is unavailable.
    """
    with scratch_folder("evaluation") as folder:
        path = fetch_checkpoint(address, Path(folder) / "checkpoint.pt", storage)
        config, data_digest = load_run(path)
        if model is not None and model != config.model_name:
            raise UsageError(f"{address} is a checkpoint of {config.model_name}, not of {model}.")
        device = resolve_device(settings.device)
        generator = load_generator(path).to(device)

    def generate(seed: int, count: int) -> NDArray[np.uint8]:
        return generate_images(generator, seed, count, device)

    images = (_fetched if fetch_data else stored_images)(config.data, data_digest, settings, storage)
    return _report(address, generate, config, images, protocol, settings, storage)


def stored_images(data: DataConfig, digest: str, settings: Settings, storage: Storage) -> PreparedImages:
    """The data set of a checkpoint, from storage. Raises `DataError` if it is not complete there."""
    offer = f"--fetch-data prepares it from the source that the file names, data.source={data.source}" + (
        f" and data.location={data.location}." if data.location else "."
    )
    try:
        if found := find_own_manifest(settings, storage, _prefix(data, digest, settings)):
            return open_dataset(found[1], settings, storage)
    except DatasetDamaged as damage:
        raise DataError(f"{damage} {offer}") from None
    raise DataError(f"the checkpoint's data set, {data.dataset_name} {digest[:12]}, is not in storage: {offer}")


def _fetched(data: DataConfig, digest: str, settings: Settings, storage: Storage) -> PreparedImages:
    """The same, or, if it is incomplete in storage, prepared again from the configuration's source."""
    try:
        found = find_own_manifest(settings, storage, _prefix(data, digest, settings))
    except DatasetDamaged:
        found = None
    dataset = found[1] if found else prepare_dataset(data, settings, storage, progress.report)
    return open_or_repair(dataset, data, settings, storage, progress.report)


def _prefix(data: DataConfig, digest: str, settings: Settings) -> str:
    if not DIGEST.fullmatch(digest):
        raise CheckpointError("the checkpoint names no prepared data set: it was trained outside the pipeline.")
    return dataset_prefix(settings, data.dataset_name, digest)


def fetch_checkpoint(address: str, path: Path, storage: Storage) -> Path:
    """The checkpoint at `s3://…`, copied to `path`, or the local file itself. Raises `CheckpointError` if missing."""
    if not address.startswith("s3://"):
        return Path(address)
    bucket, key = split_uri(address)
    try:
        storage.at(bucket).get_file(key, path)
    except ObjectMissing as error:
        raise CheckpointError(str(error)) from None
    return path


def _report(
    target: str,
    generate: GenerateImages,
    config: RetrainConfig,
    images: PreparedImages,
    protocol: ProtocolName,
    settings: Settings,
    storage: Storage,
) -> Report:
    measured = measure_generators(
        generate, None, images, config.networks, named_protocol(config, protocol), settings, storage
    )
    published = None
    if protocol == "paper" and measured.challenger.protocol.extractor == "inception":
        from wgan.evaluation.published import published_numbers  # torch-fidelity takes seconds to import

        device = str(resolve_device(settings.device))
        published = published_numbers(
            generate, images, config.evaluation.seed, settings, storage, device, progress.report
        )
    return Report(
        target=target,
        protocol_name=protocol,
        dataset=images.ref,
        measurement=measured.challenger,
        bounds=measured.bounds,
        published=published,
    )
