"""Reads model versions from the registry, and downloads them with verified digests."""

from __future__ import annotations

import tempfile
from pathlib import Path

import httpx
from pydantic import ValidationError

from wgan.config import RetrainConfig
from wgan.config_reading import load_config
from wgan.errors import ForeignVersion, UsageError, WganError
from wgan.file_digest import file_sha256
from wgan.mlflow_api.models import Models
from wgan.mlflow_files import FileAbsent, fetch_file
from wgan.mlflow_server import CONNECT_SECONDS, connection_options
from wgan.model_version.record import (
    CRITIC_FILE,
    EXTRA_FOLDER,
    GENERATOR_FILE,
    ONNX_FILE,
    RECORD_FILE,
    RUN_CONFIG_FILE,
    VersionRecord,
)
from wgan.records import ModelVersionRef
from wgan.registry.aliases import alias_version, champion_version
from wgan.registry.client import registry, require_version
from wgan.scratch import scratch_folder
from wgan.settings import Settings

__all__ = [
    "alias_version",
    "champion_version",
    "fetch_version",
    "load_configuration",
    "load_version",
    "read_version",
]

CHECKPOINT_TAG = "checkpoint_sha256"
"""Tag of every version this pipeline registers, and of its files in MLflow."""
FILE_SECONDS = 120.0
"""Read timeout in seconds; MLflow may have to fetch a whole file before it forwards it."""


def load_version(model: str, version: int, settings: Settings) -> ModelVersionRef:
    """The complete record of a registered version. Raises `UsageError` listing the existing ones, `WganError`."""
    with registry(settings) as models:
        require_version(models, model, version)
        return read_version(models, model, version, settings)


def load_configuration(model: str, version: int, settings: Settings) -> RetrainConfig:
    """The configuration of the run that made a version. Raises `UsageError` listing the existing ones, `WganError`."""
    with registry(settings) as models, scratch_folder("configuration") as name:
        require_version(models, model, version)
        return load_config(
            file=_download(models, model, version, f"{EXTRA_FOLDER}/{RUN_CONFIG_FILE}", Path(name), settings)
        )


def fetch_version(model: str, version: int, settings: Settings, folder: Path, with_weights: bool = False) -> Path:
    """Download a version into `folder`; returns the path of its `generator.onnx`, verified against the record's digest.

    `config.json` and `sample.npy` come with it, and `generator.safetensors` when `with_weights`: then
    `load_exported_generator(folder)` reads it. Raises `UsageError` listing the existing ones, `WganError` if the file
    is not the registered one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / "generator.onnx"
    extra = ["config.json", "sample.npy", *([GENERATOR_FILE] if with_weights else [])]
    with registry(settings) as models, tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as name:
        require_version(models, model, version)
        record = read_version(models, model, version, settings)
        fetched = _download(models, model, version, ONNX_FILE, Path(name), settings)
        if (found := file_sha256(fetched)) != record.onnx_sha256:
            raise WganError(
                f"the ONNX graph of {record.uri} is damaged: its SHA-256 is {found[:12]}…, "
                f"registered was {record.onnx_sha256[:12]}…."
            )
        for file in extra:
            _download(models, model, version, f"{EXTRA_FOLDER}/{file}", Path(name), settings).replace(folder / file)
        fetched.replace(final)
    return final


def fetch_weights(model: str, version: int, settings: Settings, folder: Path) -> tuple[Path, Path]:
    """Download both networks' weights, safetensors, into `folder`: the generator's file and the critic's.

    Raises `UsageError` listing the existing versions, or if the version was registered without its critic; `WganError`.
    """
    with registry(settings) as models:
        require_version(models, model, version)
        generator = _download(models, model, version, f"{EXTRA_FOLDER}/{GENERATOR_FILE}", folder, settings)
        try:
            critic = _download(models, model, version, f"{EXTRA_FOLDER}/{CRITIC_FILE}", folder, settings)
        except ForeignVersion:
            raise UsageError(
                f"version {version} of {model} has no critic to start from, because it was registered before critics "
                "were kept: name a newer version, or set training.start_from=none."
            ) from None
    return generator, critic


def read_version(models: Models, model: str, version: int, settings: Settings) -> ModelVersionRef:
    """The complete record of an existing version. Raises `ForeignVersion`, `WganError`."""
    with scratch_folder("record") as name:
        file = _download(models, model, version, f"{EXTRA_FOLDER}/{RECORD_FILE}", Path(name), settings)
        try:
            return VersionRecord.model_validate_json(file.read_bytes()).numbered(version)
        except ValidationError as error:
            reason = error.errors()[0]
            raise ForeignVersion(
                f"the record of models:/{model}/{version} is not one of this version of the code: "
                f"{'.'.join(map(str, reason['loc']))}: {reason['msg']}."
            ) from None


def _download(models: Models, model: str, version: int, file: str, folder: Path, settings: Settings) -> Path:
    where = models.files(model, version)
    path = folder / Path(file).name
    options = {**connection_options(settings), "timeout": httpx.Timeout(FILE_SECONDS, connect=CONNECT_SECONDS)}
    try:
        with httpx.Client(**options) as client:
            fetch_file(client, f"{where}/{file}", path, settings.serve_model_bytes, settings)
    except WganError as error:
        # A foreign version may be stored anywhere.
        if isinstance(error, FileAbsent) or _is_foreign(models, model, version):
            raise ForeignVersion(
                f"models:/{model}/{version} was not registered by this pipeline, or its files are gone: "
                f"there is no {file} at {where}."
            ) from None
        raise
    return path


def _is_foreign(models: Models, model: str, version: int) -> bool:
    found = models.version(model, version)
    return found is None or CHECKPOINT_TAG not in found.tags
