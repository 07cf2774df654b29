"""One training run from its MLflow run to its record: in this process, or on several workers."""

from __future__ import annotations

import shutil
from contextlib import suppress

from PIL import Image

from wgan.config import RetrainConfig, config_digest
from wgan.config_text import yaml_text
from wgan.data.dataset import PreparedImages
from wgan.data.prepare import open_or_repair
from wgan.errors import Interrupted, WganError
from wgan.plugins import require_plugins
from wgan.records import DatasetRef, TrainingRef
from wgan.registry.lineage import code_version
from wgan.registry.preconditions import version_to_start_from
from wgan.settings import Settings
from wgan.steps.deferred_signals import deferred_signals
from wgan.steps.train_on_workers import train_on_workers
from wgan.steps.training_session import Session, Trained, train_and_publish
from wgan.storage import Storage
from wgan.storage.checkpoints import StoredCheckpoint, fetch_newest
from wgan.telemetry import span
from wgan.tracking.curves import draw_curves
from wgan.tracking.earlier_runs import GENERATOR_STEPS, TRAINING_SECONDS, WORKLOAD_TAG, workload
from wgan.tracking.names import first_name
from wgan.tracking.parameters import compared_parameters
from wgan.tracking.run_status import CURVES, end_run
from wgan.tracking.runs import log_file, log_values, metric_history, start_or_resume_run
from wgan.training.device import resolve_device

LAST_SAMPLES = "samples.png"
WHOLE_CONFIG = "config.yaml"
"""Artifact of a run: its complete configuration, as accepted by `wgan retrain --config`."""


def run_training(
    config: RetrainConfig,
    dataset: DatasetRef,
    settings: Settings,
    storage: Storage,
    flow_run_id: str,
    started_by: str = "wgan",
    because: str | None = None,
) -> TrainingRef:
    """Train, or resume from this flow run's newest intact checkpoint, in the same MLflow run.

    With `training.workers` above 1, several workers train together. SIGTERM and Ctrl-C are deferred until a checkpoint
    of the current step is in S3. `started_by` is the user of the MLflow run, `because` the drift for which the training
    was started. Raises `WganError` in one sentence; the results so far stay in S3 and MLflow.
    """
    device = resolve_device(settings.device)
    images = None if config.training.workers > 1 else open_or_repair(dataset, config.data, settings, storage)
    code, plugins = code_version(), require_plugins(config)
    run_id = start_or_resume_run(
        settings,
        flow_run_id,
        name=first_name(dataset.name, config.training.seed),
        parameters=compared_parameters(config, str(device)),
        tags={
            "wgan.data_digest": dataset.digest,
            "wgan.code_version": code,
            **({"wgan.plugins": "; ".join(map(str, plugins))} if plugins else {}),
            **({"wgan.because": because} if because else {}),
        },
        dataset=dataset,
        started_by=started_by,
    )
    session = Session(config, dataset, settings, flow_run_id, run_id, _start_from(config, settings))
    folder = session.folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WHOLE_CONFIG).write_text(yaml_text(config))
    log_file(settings, run_id, folder / WHOLE_CONFIG)
    (folder / WHOLE_CONFIG).unlink()
    try:
        with span("training", model=config.model_name, data_digest=dataset.digest, mlflow_run_id=run_id) as traced:
            trained = _train(session, images, storage)
            traced.note(
                generator_steps=trained.result.generator_steps, images_per_second=trained.result.images_per_second
            )
        result = trained.result
        how = ", ".join(f"{name} {value}" for name, value in result.execution.described().items())
        reason = trained.choice.reason if trained.choice else None
        optional = {"wgan.checkpoint": reason, "wgan.started_from": result.started_from}
        present = {name: value for name, value in optional.items() if value}
        log_values(settings, run_id, {}, {"wgan.execution": how, **present})
        if result.stopped:
            end_run(settings, run_id, "KILLED")
            raise Interrupted(
                f"training stopped at generator step {result.generator_steps} and its checkpoint is in S3: "
                f"`wgan retrain --resume {flow_run_id}` resumes there."
            )
        took = {TRAINING_SECONDS: result.seconds, GENERATOR_STEPS: result.generator_steps}
        log_values(settings, run_id, took, {WORKLOAD_TAG: workload(config, trained.device_name)})
        if trained.chosen is None:
            raise WganError(
                f"the last checkpoint did not reach S3: `wgan retrain --resume {flow_run_id}` resumes from the one "
                "before."
            )
        _log_pictures(session, trained.chosen.picture)
    except WganError as error:
        if not isinstance(error, Interrupted):
            with suppress(WganError):  # it would hide the cause
                end_run(settings, run_id, "FAILED")
        raise
    shutil.rmtree(folder)
    return _reference(session, storage, code, trained, trained.chosen.checkpoint, because)


def _start_from(config: RetrainConfig, settings: Settings) -> str:
    """What the training starts from; for several workers the version's number, so that all take the same."""
    if config.training.workers == 1:
        return config.training.start_from
    return str(version_to_start_from(config, settings) or "none")


def _train(session: Session, images: PreparedImages | None, storage: Storage) -> Trained:
    """Train in this process, or, without images, on workers that open the data set themselves."""
    if images is None:
        return train_on_workers(session)
    found = fetch_newest(session.flow_run_id, session.settings, storage, session.folder)
    with deferred_signals() as asked_to_stop:
        return train_and_publish(session, images, storage, found, asked_to_stop)


def _log_pictures(session: Session, picture: Image.Image) -> None:
    settings, run_id, folder = session.settings, session.mlflow_run_id, session.folder
    draw_curves(metric_history(settings, run_id), f"{session.dataset.name}, run {run_id[:8]}", folder / CURVES)
    log_file(settings, run_id, folder / CURVES)
    picture.save(folder / LAST_SAMPLES)
    log_file(settings, run_id, folder / LAST_SAMPLES)


def _reference(
    session: Session,
    storage: Storage,
    code: str,
    trained: Trained,
    checkpoint: StoredCheckpoint,
    because: str | None,
) -> TrainingRef:
    config, result = session.config, trained.result
    return TrainingRef(
        dataset=session.dataset,
        flow_run_id=session.flow_run_id,
        mlflow_run_id=session.mlflow_run_id,
        config_digest=config_digest(config),
        code_version=code,
        networks=config.networks,
        plugins=require_plugins(config),
        checkpoint_uri=storage.uri(checkpoint.key),
        checkpoint_sha256=checkpoint.sha256,
        generator_steps=checkpoint.step,
        started_from=result.started_from,
        choice=trained.choice,
        because=because,
        wasserstein_estimate=result.wasserstein_estimate,
        images_per_second=result.images_per_second,
        seconds=result.seconds,
        device=result.device,
        precision=result.precision,
        sample_grid=LAST_SAMPLES,
    )
