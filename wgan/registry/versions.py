"""Model versions in the registry: made once per checkpoint, read back whole, fetched with their digest checked."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from pydantic import ValidationError

from wgan.config import RetrainConfig
from wgan.config_reading import load_config
from wgan.errors import ForeignVersion, WganError
from wgan.model_version.record import EXTRA_FOLDER, ONNX_FILE, RECORD_FILE, VersionRecord
from wgan.records import EvaluationRef, ModelVersionRef, TrainingRef
from wgan.registry.aliases import alias_version, champion_version
from wgan.registry.card import model_description, version_card
from wgan.registry.client import every, registry, require_version
from wgan.registry.lineage import version_tags
from wgan.registry.listing import list_models, list_versions
from wgan.registry.model_folder import RUN_CONFIG_FILE, ExportedGenerator, write_model_folder
from wgan.scratch import scratch_folder
from wgan.settings import Settings
from wgan.storage import file_sha256

__all__ = [
    "alias_version",
    "champion_version",
    "describe_version",
    "fetch_version",
    "list_models",
    "list_versions",
    "load_configuration",
    "load_version",
    "register_generator",
]

CHECKPOINT_TAG = "checkpoint_sha256"


def register_generator(
    evaluation: EvaluationRef, exported: ExportedGenerator, config: RetrainConfig, settings: Settings
) -> ModelVersionRef:
    """Log an exported generator in the training's MLflow run and register it as `config.model_name`.

    The same run and checkpoint again (a retried task) gives the version that is there. Raises `WganError`.
    """
    training, name = evaluation.training, config.model_name
    with registry(settings) as client:
        for entry in every(client.search_model_versions, f"name = '{name}' and run_id = '{training.mlflow_run_id}'"):
            if entry.tags.get(CHECKPOINT_TAG) == training.checkpoint_sha256:
                return _with_card(client, _load(client, name, int(entry.version), settings), config)
        record = VersionRecord(
            evaluation=evaluation, model_name=name, onnx_sha256=exported.onnx_sha256, export_check=exported.check
        )
        logged = _logged_model(client, training, settings) or _log_model(client, record, exported, config)
        try:
            client.create_registered_model(name, description=model_description(config))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        made = client.create_model_version(
            name,
            source=f"models:/{logged.model_id}",
            run_id=training.mlflow_run_id,
            model_id=logged.model_id,
            tags=version_tags(evaluation),
        )
        return _with_card(client, _load(client, name, int(made.version), settings), config)


def describe_version(version: ModelVersionRef, config: RetrainConfig, settings: Settings) -> None:
    """Write the version's model card anew, with what has been measured of it since. Raises `WganError`."""
    with registry(settings) as client:
        _with_card(client, version, config)


def _with_card(client: MlflowClient, version: ModelVersionRef, config: RetrainConfig) -> ModelVersionRef:
    """The version with its model card, which names the number that the registry gave it."""
    client.update_model_version(version.model_name, str(version.version), version_card(version, config))
    return version


def _logged_model(client: MlflowClient, training: TrainingRef, settings: Settings) -> Any | None:
    """What an interrupted registration of the same checkpoint logged; what it left half uploaded is removed."""
    found = client.search_logged_models(
        [client.get_run(training.mlflow_run_id).info.experiment_id],
        filter_string=f"source_run_id = '{training.mlflow_run_id}' "
        f"AND tags.{CHECKPOINT_TAG} = '{training.checkpoint_sha256}'",
    )
    complete = [model for model in found if model.status == LoggedModelStatus.READY]
    for model in found:
        if model not in complete:
            _delete_files(model, settings)  # which deleting the entry leaves behind
            client.delete_logged_model(model.model_id)
    return complete[0] if complete else None


def _delete_files(model: Any, settings: Settings) -> None:
    try:
        get_artifact_repository(model.artifact_location, settings.mlflow_tracking_uri).delete_artifacts()
    except OSError as error:  # MLflow lets the errors of its HTTP client through
        reason = " ".join(str(error).split())[:200]
        raise WganError(f"what an earlier attempt left in MLflow could not be removed: {reason}.") from None


def _log_model(client: MlflowClient, record: VersionRecord, exported: ExportedGenerator, config: RetrainConfig) -> Any:
    training = record.evaluation.training
    logged = client.create_logged_model(
        client.get_run(training.mlflow_run_id).info.experiment_id,
        name="generator",
        source_run_id=training.mlflow_run_id,
        tags={CHECKPOINT_TAG: training.checkpoint_sha256},
        model_type="generator",
    )
    with scratch_folder("model") as name:
        folder = Path(name) / "model"
        write_model_folder(folder, logged, record, exported, config)
        try:
            client.log_model_artifacts(logged.model_id, str(folder))
        except OSError as error:  # MLflow lets the errors of its HTTP client through
            reason = " ".join(str(error).split())[:200]
            raise WganError(f"the files of {record.model_name} could not be uploaded to MLflow: {reason}.") from None
    client.log_outputs(training.mlflow_run_id, [LoggedModelOutput(logged.model_id, training.generator_steps)])
    return client.finalize_logged_model(logged.model_id, "READY")


def load_version(model: str, version: int, settings: Settings) -> ModelVersionRef:
    """The whole record of a registered version. Raises `UsageError` naming what there is, `WganError`."""
    with registry(settings) as client:
        require_version(client, model, version)
        return _load(client, model, version, settings)


def load_configuration(model: str, version: int, settings: Settings) -> RetrainConfig:
    """The configuration of the run that made a version. Raises `UsageError` naming what there is, `WganError`."""
    with registry(settings) as client, scratch_folder("configuration") as name:
        require_version(client, model, version)
        return load_config(
            file=_download(client, model, version, f"{EXTRA_FOLDER}/{RUN_CONFIG_FILE}", Path(name), settings)
        )


def fetch_version(model: str, version: int, settings: Settings, folder: Path, with_weights: bool = False) -> Path:
    """Download a version into `folder`; returns the path of its `generator.onnx`, digest checked against the record.

    `config.json` and `sample.npy` come with it, and `generator.safetensors` when `with_weights`: then
    `load_exported_generator(folder)` reads it. Raises `UsageError` naming what there is, `WganError` when the file
    is not the one that was registered.
    """
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / "generator.onnx"
    extra = ["config.json", "sample.npy", *(["generator.safetensors"] if with_weights else [])]
    with registry(settings) as client, tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as name:
        require_version(client, model, version)
        record = _load(client, model, version, settings)
        fetched = _download(client, model, version, ONNX_FILE, Path(name), settings)
        if (found := file_sha256(fetched)) != record.onnx_sha256:
            raise WganError(
                f"the ONNX graph of {record.uri} is damaged: its SHA-256 is {found[:12]}…, "
                f"registered was {record.onnx_sha256[:12]}…."
            )
        for file in extra:
            _download(client, model, version, f"{EXTRA_FOLDER}/{file}", Path(name), settings).replace(folder / file)
        fetched.replace(final)
    return final


def _load(client: MlflowClient, model: str, version: int, settings: Settings) -> ModelVersionRef:
    with scratch_folder("record") as name:
        file = _download(client, model, version, f"{EXTRA_FOLDER}/{RECORD_FILE}", Path(name), settings)
        try:
            return VersionRecord.model_validate_json(file.read_bytes()).numbered(version)
        except ValidationError as error:
            reason = error.errors()[0]
            raise ForeignVersion(
                f"the record of models:/{model}/{version} is not one of this version of the code: "
                f"{'.'.join(map(str, reason['loc']))}: {reason['msg']}."
            ) from None


def _download(client: MlflowClient, model: str, version: int, file: str, folder: Path, settings: Settings) -> Path:
    where = f"{client.get_model_version_download_uri(model, str(version))}/{file}"
    try:
        return Path(
            mlflow.artifacts.download_artifacts(
                artifact_uri=where, dst_path=str(folder), tracking_uri=settings.mlflow_tracking_uri
            )
        )
    except (MlflowException, OSError) as error:  # MLflow lets the errors of its HTTP client through
        # MLflow gives a missing file no error code of its own, and a version of others may lie anywhere.
        if "404 Client Error" in str(error) or CHECKPOINT_TAG not in client.get_model_version(model, str(version)).tags:
            raise ForeignVersion(
                f"models:/{model}/{version} was not registered by this pipeline, or its files are gone: "
                f"there is no {file} at {where.removesuffix(f'/{file}')}."
            ) from None
        if isinstance(error, MlflowException):
            raise
        reason = " ".join(str(error).split())[:200]
        raise WganError(f"{file} of models:/{model}/{version} cannot be fetched: {reason}.") from None
