"""From a version in the registry to a model that may be served: download aside, digest, load, warm, reproduce."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from wgan.errors import WganError
from wgan.model_version.record import VersionRecord
from wgan.serving.engine import Engine, check_sample, load_engine, verify_batch_sizes
from wgan.serving.model_cache import ModelCache
from wgan.serving.models import LoadedModel
from wgan.serving.registry import RegistryClient, RegistryVersion
from wgan.settings import Settings
from wgan.storage import file_sha256

SAMPLE_TOLERANCE = 1e-3
"""Largest pixel difference from the recorded sample, range [-1, 1]: an eighth of a grey level, as for the export."""


def load_from_registry(
    version: RegistryVersion,
    reader: RegistryClient,
    disk: ModelCache,
    settings: Settings,
    stopped: Callable[[], bool] = lambda: False,
    duty: float = 0.5,
) -> LoadedModel:
    """Fetch a version unless it is on the disk, and verify it. Nothing that fails gets its final name.

    Raises `WganError` in one sentence at whichever step fails; `OSError` when the disk does.
    """
    folder = disk.of(version)
    if folder.is_dir():
        try:
            return verify(version, folder, settings, duty)
        except WganError:  # damaged on this disk: what the registry has decides
            pass
    with disk.staging() as temporary:
        download = temporary / "files"
        download.mkdir()
        reader.download(version, download, stopped)
        model = verify(version, download, settings, duty)
        disk.install(version, download)
    return model


def verify(version: RegistryVersion, folder: Path, settings: Settings, duty: float = 1.0) -> LoadedModel:
    """Digest, load, warm every batch size, draw the recorded sample again. Raises `WganError`."""
    record = _record(version, folder)
    onnx = folder / "generator.onnx"
    if not onnx.is_file():
        raise WganError(f"{onnx} is missing.")
    if (found := file_sha256(onnx)) != record.onnx_sha256:
        raise WganError(
            f"the ONNX graph of models:/{version.model}/{version.version} is damaged: its SHA-256 is "
            f"{found[:12]}…, registered was {record.onnx_sha256[:12]}…."
        )
    engine = load_engine(onnx, settings.serve_threads)
    engine = _reproduced(verify_batch_sizes(engine, settings.serve_max_batch, duty=duty), folder, record, duty)
    return LoadedModel(version, record, engine, datetime.now(UTC))


def _record(version: RegistryVersion, folder: Path) -> VersionRecord:
    try:
        return VersionRecord.model_validate_json((folder / "record.json").read_bytes())
    except (OSError, ValidationError):
        raise WganError(f"models:/{version.model}/{version.version} has no record this code can read.") from None


def _reproduced(engine: Engine, folder: Path, record: VersionRecord, duty: float) -> Engine:
    dataset = record.evaluation.training.dataset
    expected = (dataset.channels, dataset.image_size, dataset.image_size)
    if engine.image_shape != expected:
        raise WganError(f"the model draws images {engine.image_shape} (C, H, W), its data set has {expected}.")
    try:
        config = json.loads((folder / "config.json").read_text())
        seed = int(config["sample_seed"])
        sample = np.load(folder / "sample.npy", allow_pickle=False)
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        raise WganError("the version's recorded sample cannot be read.") from None
    check_sample(engine, sample, seed, SAMPLE_TOLERANCE, duty)
    return engine
