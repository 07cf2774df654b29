"""Training: the one task that wants a GPU."""

from __future__ import annotations

from prefect import runtime

from tasks.connections import connect
from tasks.gpu_slots import gpu_slot
from tasks.progress import progress_artifact
from tasks.restarts import interrupted_as_crashed
from tasks.retrying import retried_task
from wgan.config import RetrainConfig
from wgan.records import DatasetRef, TrainingRef
from wgan.steps.train import run_training


@retried_task("train generator", tags={"gpu-task"})
def train_generator(config: RetrainConfig, dataset: DatasetRef) -> TrainingRef:
    """Train, or go on at this flow run's newest checkpoint."""
    settings, storage = connect()
    with interrupted_as_crashed(), gpu_slot(), progress_artifact("training", f"Training {config.model_name}"):
        return run_training(config, dataset, settings, storage, str(runtime.flow_run.id))
