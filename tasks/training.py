"""Training: the only task that needs a GPU."""

from __future__ import annotations

import getpass

from prefect import runtime

from tasks.connections import connect
from tasks.device_slots import training_slot
from tasks.progress import progress_artifact
from tasks.restarts import interrupted_as_crashed
from tasks.retrying import retried_task
from wgan.config import RetrainConfig
from wgan.records import DatasetRef, TrainingRef
from wgan.steps.train import run_training


@retried_task("train generator", tags={"gpu-task"})
def train_generator(config: RetrainConfig, dataset: DatasetRef, because: str | None = None) -> TrainingRef:
    """Train, or resume from this flow run's newest checkpoint; `because` is the drift for which it was started."""
    settings, storage = connect()
    with (
        interrupted_as_crashed(),
        training_slot(settings, config.training.workers) as device,
        progress_artifact("training", f"Training {config.model_name}"),
    ):
        chosen = settings.model_copy(update={"device": device})
        return run_training(config, dataset, chosen, storage, str(runtime.flow_run.id), _who(), because)


def _who() -> str:
    """The schedule that started the run, or the user of this machine."""
    schedule = runtime.deployment.name
    return f"schedule {schedule}" if schedule else getpass.getuser()
