"""Registration: an exported generator becomes a model version, once per checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from wgan.config import RetrainConfig
from wgan.errors import WganError
from wgan.mlflow_api.requests import REMEDY
from wgan.model_version.record import VersionRecord
from wgan.records import EvaluationRef, ModelVersionRef, TrainingRef
from wgan.registry.card import model_description
from wgan.registry.client import registry
from wgan.registry.description import describe_version
from wgan.registry.lineage import version_tags
from wgan.registry.model_folder import ExportedGenerator, write_model_folder
from wgan.registry.versions import CHECKPOINT_TAG, read_version
from wgan.scratch import scratch_folder
from wgan.settings import Settings

ARTIFACT_ROUTE = "/mlflow-artifacts/"
"""Part of the address of every file request, which the server forwards to the object store."""


def register_generator(
    evaluation: EvaluationRef, exported: ExportedGenerator, config: RetrainConfig, settings: Settings
) -> ModelVersionRef:
    """Log an exported generator in the training's MLflow run and register it as `config.model_name`.

    With the same run and checkpoint again (a retried task), returns the existing version. Raises `WganError`.
    """
    training, name = evaluation.training, config.model_name
    with registry(settings) as models:
        for entry in models.versions_of_run(name, training.mlflow_run_id):
            if entry.tags.get(CHECKPOINT_TAG) == training.checkpoint_sha256:
                return _described(read_version(models, name, entry.version, settings), config, settings)
        record = VersionRecord(
            evaluation=evaluation, model_name=name, onnx_sha256=exported.onnx_sha256, export_check=exported.check
        )
        with _mlflow(settings) as client:
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
        return _described(read_version(models, name, int(made.version), settings), config, settings)


def _described(version: ModelVersionRef, config: RetrainConfig, settings: Settings) -> ModelVersionRef:
    """The version with its model card, which names the version number assigned by the registry."""
    describe_version(version, config, settings)
    return version


@contextmanager
def _mlflow(settings: Settings) -> Iterator[MlflowClient]:
    """MLflow's own client, for uploading; failures raise an error of one sentence."""
    where = settings.mlflow_tracking_uri
    try:
        yield MlflowClient(tracking_uri=where, registry_uri=where)
    except MlflowException as error:
        if ARTIFACT_ROUTE in str(error):
            raise WganError(
                f"the MLflow server at {where} cannot deliver files, so the object store behind it may be down: "
                "`wgan status` shows it, `wgan up` starts the embedded one."
            ) from None
        reason = " ".join(str(error).split())[:300].rstrip(".")
        raise WganError(f"the MLflow server at {where} failed: {reason}; {REMEDY}.") from None


def _logged_model(client: MlflowClient, training: TrainingRef, settings: Settings) -> Any | None:
    """What an interrupted registration of the same checkpoint logged; partial uploads are removed."""
    found = client.search_logged_models(
        [client.get_run(training.mlflow_run_id).info.experiment_id],
        filter_string=f"source_run_id = '{training.mlflow_run_id}' "
        f"AND tags.{CHECKPOINT_TAG} = '{training.checkpoint_sha256}'",
    )
    complete = [model for model in found if model.status == LoggedModelStatus.READY]
    for model in found:
        if model not in complete:
            _delete_files(model, settings)  # deleting the entry would leave them behind
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
