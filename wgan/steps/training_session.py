"""What surrounds the loop while it runs: checkpoints to S3, curves and pictures to MLflow, the position to the user."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wgan import progress
from wgan.config import RetrainConfig
from wgan.data.dataset import PreparedImages
from wgan.pixels import image_grid
from wgan.records import CheckpointChoice, DatasetRef
from wgan.settings import Settings
from wgan.steps.evaluate_checkpoints import CheckpointEvaluations, open_evaluations, restore_evaluations
from wgan.steps.warm_start import starting_point
from wgan.storage import Storage
from wgan.storage.checkpoints import CheckpointUploads, StoredCheckpoint
from wgan.tracking.metric_stream import MetricStream
from wgan.training.checkpoint import load_generator
from wgan.training.device import device_name, resolve_device
from wgan.training.loop import TrainingResult, train
from wgan.training.sampling import generate_images
from wgan.training.state import StartingPoint, new_state, start_from
from wgan.training.world import ALONE, World

SAMPLES = "samples/steps"
"""Key of the image series from fixed noise; MLflow shows the section `samples` above all curves."""
TRAINED = "samples/trained"
"""Key of the last picture alone: MLflow's slider starts at the first of a series."""
METRICS_TIMEOUT = 120.0
"""Seconds a checkpoint waits until MLflow has the metrics up to its step."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Session:
    """One training run: what is trained, on what, and where its results go."""

    config: RetrainConfig
    dataset: DatasetRef
    settings: Settings
    flow_run_id: str
    mlflow_run_id: str
    start_from: str
    """As `training.start_from`, which a new run starts from."""

    def starting_point(self) -> StartingPoint | None:
        """The networks that a new run starts from; None: freshly drawn ones. Raises what `starting_point` raises."""
        training = self.config.training.model_copy(update={"start_from": self.start_from})
        return starting_point(self.config.model_copy(update={"training": training}), self.settings)

    @property
    def folder(self) -> Path:
        """The folder of this machine for the run's checkpoints."""
        return self.settings.cache / "training" / self.flow_run_id

    def moved(self, cache: str | None, device: str) -> Session:
        """The same session in another process: with its cache folder, unless it is None, and its device."""
        place = {"device": device, **({"cache_dir": Path(cache)} if cache else {})}
        return replace(self, settings=self.settings.model_copy(update=place))


@dataclass(frozen=True)
class Chosen:
    """The checkpoint to register, and a grid of its generator's images."""

    checkpoint: StoredCheckpoint
    picture: Image.Image


@dataclass(frozen=True)
class Trained:
    """How the loop ended, and what of it is in S3."""

    result: TrainingResult
    chosen: Chosen | None
    """None if the training was stopped, or its last checkpoint did not reach S3."""
    choice: CheckpointChoice | None
    """Why this checkpoint, if there were evaluations."""
    device_name: str


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


def train_and_publish(
    session: Session,
    images: PreparedImages,
    storage: Storage,
    found: StoredCheckpoint | None,
    asked_to_stop: Callable[[], bool],
    world: World = ALONE,
    when_ready: Callable[[], object] = lambda: None,
) -> Trained:
    """Train from the checkpoint `found`, which is in the session's folder, or from scratch, and publish the results.

    For rank 0 only. `when_ready` is called just before the first step. Once this returns, checkpoints are in S3,
    metrics and pictures in MLflow. Raises `WganError`.
    """
    config, settings, training = session.config, session.settings, session.config.training
    folder, device = session.folder, resolve_device(settings.device)
    if found is not None:
        logger.info("Training resumes at generator step %d.", found.step)
    resumed = "" if found is None else "resumed from the checkpoint"
    progress.report("training", found.step if found else 0, training.generator_steps, resumed)
    with MetricStream(settings, session.mlflow_run_id) as stream:
        evaluations = open_evaluations(config, images, settings, storage, stream.log_evaluation)
        if found is not None:
            restore_evaluations(evaluations, session.flow_run_id, found.step, config, settings, storage, folder)
        with (
            evaluations,
            CheckpointUploads(
                session.flow_run_id,
                training.keep_checkpoints,
                settings,
                storage,
                # A resumed run does not report the steps before its checkpoint, so MLflow must have them first.
                before_publishing=lambda: stream.flush(METRICS_TIMEOUT),
                evaluated=evaluations.evaluated,
            ) as uploads,
        ):
            observer = PipelineObserver(stream, uploads, training.generator_steps, asked_to_stop)
            start = None if found else session.starting_point()
            if found is None:
                observer.samples(0, _first_samples(config, settings, start))
            when_ready()
            result = train(
                config,
                images,
                session.dataset.digest,
                observer,
                device,
                folder,
                resume_from=folder / Path(found.key).name if found else None,
                world=world,
                cache=settings.cache,
                evaluate=evaluations.evaluate,
                start=start,
            )
            if not result.stopped:
                evaluations.wait()
        checkpoint, choice = _chosen(uploads, evaluations, result)
        chosen = None
        if checkpoint is not None:
            file = _file_of(checkpoint, result, storage, folder)
            chosen = Chosen(checkpoint, _trained_samples(config, settings, file))
            stream.log_image(TRAINED, checkpoint.step, chosen.picture)
    return Trained(result, chosen, choice, device_name(device))


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


def _scale(images: NDArray[np.uint8]) -> int:
    return int(max(1, 96 // images.shape[-1]))
