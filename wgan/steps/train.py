"""One training run with everything around the loop: data in, checkpoints to S3, curves and pictures to MLflow."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wgan import progress
from wgan.config import RetrainConfig, config_digest
from wgan.config_text import yaml_text
from wgan.data.prepare import open_or_repair
from wgan.errors import Interrupted, WganError
from wgan.pixels import image_grid
from wgan.plugins import require_plugins
from wgan.records import CheckpointChoice, DatasetRef, TrainingRef
from wgan.registry.lineage import code_version
from wgan.settings import Settings
from wgan.steps.deferred_signals import deferred_signals
from wgan.steps.evaluate_checkpoints import CheckpointEvaluations, open_evaluations, restore_evaluations
from wgan.steps.warm_start import starting_point
from wgan.storage import Storage
from wgan.storage.checkpoints import CheckpointUploads, StoredCheckpoint, fetch_newest
from wgan.tracking.curves import draw_curves
from wgan.tracking.earlier_runs import GENERATOR_STEPS, TRAINING_SECONDS, WORKLOAD_TAG, workload
from wgan.tracking.metric_stream import MetricStream
from wgan.tracking.names import first_name
from wgan.tracking.parameters import compared_parameters
from wgan.tracking.run_status import CURVES, end_run
from wgan.tracking.runs import log_file, log_values, metric_history, start_or_resume_run
from wgan.training.checkpoint import load_generator
from wgan.training.device import device_name, resolve_device
from wgan.training.loop import TrainingResult, train
from wgan.training.sampling import generate_images
from wgan.training.state import StartingPoint, new_state, start_from

SAMPLES = "samples/steps"
"""Key of the image series from fixed noise; MLflow shows the section `samples` above all curves."""
TRAINED = "samples/trained"
"""Key of the last picture alone: MLflow's slider starts at the first of a series."""
LAST_SAMPLES = "samples.png"
WHOLE_CONFIG = "config.yaml"
"""Artifact of a run: its complete configuration, as accepted by `wgan retrain --config`."""
METRICS_TIMEOUT = 120.0
"""Seconds a checkpoint waits until MLflow has the metrics up to its step."""

logger = logging.getLogger(__name__)


@dataclass
class PipelineObserver:
    """Forwards what the loop reports: metrics and pictures to MLflow, checkpoints to S3, the position to the user."""

    stream: MetricStream
    uploads: CheckpointUploads
    total: int
    asked_to_stop: Callable[[], bool]
    note: str = ""

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Queue a step's metrics and show the position."""
        self.stream.log(step, values)
        estimate = values.get("wasserstein_median", values.get("critic_loss", float("nan")))
        name = "Wasserstein estimate" if "wasserstein_median" in values else "critic loss"
        self.note = f"{values['images_per_second']:,.0f} images/s, {name} {estimate:.4f}"
        progress.report("training", step, self.total, self.note)

    def samples(self, step: int, images: NDArray[np.uint8]) -> None:
        """Queue one picture of the fixed-noise series."""
        self.stream.log_image(SAMPLES, step, image_grid(images, scale=_scale(images)))

    def checkpoint(self, step: int, path: Path) -> None:
        """Upload in the background."""
        self.uploads.submit(step, path)

    def should_stop(self) -> bool:
        """Whether a signal requested a stop."""
        return self.asked_to_stop()


def run_training(
    config: RetrainConfig, dataset: DatasetRef, settings: Settings, storage: Storage, flow_run_id: str
) -> TrainingRef:
    """Train, or resume from this flow run's newest intact checkpoint, in the same MLflow run.

    SIGTERM and Ctrl-C are deferred until a checkpoint of the current step is in S3. Raises `WganError` in one sentence;
    the results so far stay in S3 and MLflow.
    """
    device = resolve_device(settings.device)
    images = open_or_repair(dataset, config.data, settings, storage)
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
        },
        dataset=dataset,
    )
    folder = settings.cache / "training" / flow_run_id
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WHOLE_CONFIG).write_text(yaml_text(config))
    log_file(settings, run_id, folder / WHOLE_CONFIG)
    (folder / WHOLE_CONFIG).unlink()
    found = fetch_newest(flow_run_id, settings, storage, folder)
    if found is not None:
        logger.info("Training resumes at generator step %d.", found.step)
    resumed = "" if found is None else "resumed from the checkpoint"
    progress.report("training", found.step if found else 0, config.training.generator_steps, resumed)
    try:
        with deferred_signals() as asked_to_stop, MetricStream(settings, run_id) as stream:
            evaluations = open_evaluations(config, images, settings, storage, stream.log_evaluation)
            if found is not None:
                restore_evaluations(evaluations, flow_run_id, found.step, config, settings, storage, folder)
            with (
                evaluations,
                CheckpointUploads(
                    flow_run_id,
                    config.training.keep_checkpoints,
                    settings,
                    storage,
                    # A resumed run does not report the steps before its checkpoint, so MLflow must have them first.
                    before_publishing=lambda: stream.flush(METRICS_TIMEOUT),
                    evaluated=evaluations.evaluated,
                ) as uploads,
            ):
                observer = PipelineObserver(stream, uploads, config.training.generator_steps, asked_to_stop)
                start = None if found else starting_point(config, settings)
                if found is None:
                    observer.samples(0, _first_samples(config, settings, start))
                result = train(
                    config,
                    images,
                    dataset.digest,
                    observer,
                    device,
                    folder,
                    resume_from=folder / Path(found.key).name if found else None,
                    cache=settings.cache,
                    evaluate=evaluations.evaluate,
                    start=start,
                )
                if not result.stopped:
                    evaluations.wait()
            chosen, choice = _chosen(uploads, evaluations, result)
            if chosen is not None:
                trained = _trained_samples(config, settings, _file_of(chosen, result, storage, folder))
                stream.log_image(TRAINED, chosen.step, trained)
        how = ", ".join(f"{name} {value}" for name, value in result.execution.described().items())
        optional = {"wgan.checkpoint": choice.reason if choice else None, "wgan.started_from": result.started_from}
        present = {name: value for name, value in optional.items() if value}
        log_values(settings, run_id, {}, {"wgan.execution": how, **present})
        if result.stopped:
            end_run(settings, run_id, "KILLED")
            raise Interrupted(
                f"training stopped at generator step {result.generator_steps} and its checkpoint is in S3: "
                f"`wgan retrain --resume {flow_run_id}` resumes there."
            )
        took = {TRAINING_SECONDS: result.seconds, GENERATOR_STEPS: result.generator_steps}
        log_values(settings, run_id, took, {WORKLOAD_TAG: workload(config, device_name(device))})
        if chosen is None:
            raise WganError(
                f"the last checkpoint did not reach S3: `wgan retrain --resume {flow_run_id}` resumes from the one "
                "before."
            )
        _log_pictures(settings, run_id, dataset, trained, folder)
    except WganError as error:
        if not isinstance(error, Interrupted):
            with suppress(WganError):  # it would hide the cause
                end_run(settings, run_id, "FAILED")
        raise
    shutil.rmtree(folder)
    return _reference(config, dataset, storage, flow_run_id, run_id, code, chosen, choice, result)


def _chosen(
    uploads: CheckpointUploads, evaluations: CheckpointEvaluations, result: TrainingResult
) -> tuple[StoredCheckpoint | None, CheckpointChoice | None]:
    """The best checkpoint and why, or the last one; None if the training was interrupted or its last is not in S3."""
    stored = {checkpoint.step: checkpoint for checkpoint in uploads.stored}
    if result.stopped or result.generator_steps not in stored:
        return None, None
    choice = evaluations.choose(stored.keys(), result.generator_steps, result.ended_early)
    return stored[choice.step if choice else result.generator_steps], choice


def _file_of(checkpoint: StoredCheckpoint, result: TrainingResult, storage: Storage, folder: Path) -> Path:
    """The local file of the last checkpoint; an earlier one is downloaded, since the training may have deleted it."""
    if checkpoint.step == result.generator_steps:
        return result.checkpoint
    path = folder / "chosen.pt"
    storage.get_file(checkpoint.key, path, checkpoint.sha256)
    return path


def _first_samples(config: RetrainConfig, settings: Settings, start: StartingPoint | None) -> NDArray[np.uint8]:
    """Images of the generator before training: MLflow's image series starts at step 0."""
    device = resolve_device(settings.device)
    state = new_state(config, device)
    if start is not None:
        start_from(state, start)
    return generate_images(state.generator, config.training.seed, config.training.sample_count, device)


def _trained_samples(config: RetrainConfig, settings: Settings, checkpoint: Path) -> Image.Image:
    """A grid of the trained generator's images from the same noise."""
    training, device = config.training, resolve_device(settings.device)
    samples = generate_images(load_generator(checkpoint).to(device), training.seed, training.sample_count, device)
    return image_grid(samples, scale=_scale(samples))


def _log_pictures(settings: Settings, run_id: str, dataset: DatasetRef, trained: Image.Image, folder: Path) -> None:
    draw_curves(metric_history(settings, run_id), f"{dataset.name}, run {run_id[:8]}", folder / CURVES)
    log_file(settings, run_id, folder / CURVES)
    trained.save(folder / LAST_SAMPLES)
    log_file(settings, run_id, folder / LAST_SAMPLES)


def _scale(images: NDArray[np.uint8]) -> int:
    return int(max(1, 96 // images.shape[-1]))


def _reference(
    config: RetrainConfig,
    dataset: DatasetRef,
    storage: Storage,
    flow_run_id: str,
    run_id: str,
    code: str,
    checkpoint: StoredCheckpoint,
    choice: CheckpointChoice | None,
    result: TrainingResult,
) -> TrainingRef:
    return TrainingRef(
        dataset=dataset,
        flow_run_id=flow_run_id,
        mlflow_run_id=run_id,
        config_digest=config_digest(config),
        code_version=code,
        networks=config.networks,
        plugins=require_plugins(config),
        checkpoint_uri=storage.uri(checkpoint.key),
        checkpoint_sha256=checkpoint.sha256,
        generator_steps=checkpoint.step,
        started_from=result.started_from,
        choice=choice,
        wasserstein_estimate=result.wasserstein_estimate,
        images_per_second=result.images_per_second,
        seconds=result.seconds,
        device=result.device,
        precision=result.precision,
        sample_grid=LAST_SAMPLES,
    )
