"""How long earlier runs of the same work took, over MLflow's HTTP API: importing MLflow takes a second."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from wgan.config import RetrainConfig
from wgan.mlflow_api.requests import Mlflow
from wgan.mlflow_api.runs import Runs
from wgan.settings import Settings

WORKLOAD_TAG = "wgan.workload"
TRAINING_SECONDS = "system/training_seconds"
GENERATOR_STEPS = "system/generator_steps"
EVALUATION_SECONDS = "system/evaluation_seconds"
COMPARISON_SECONDS = "system/comparison_seconds"
RUN_SECONDS = "system/run_seconds"
"""Logged only for uninterrupted runs. MLflow lists names with this prefix among a run's system metrics."""
SEARCHED_RUNS = 20
"""Number of newest runs of the same work to search: some ended before they were measured."""


@dataclass(frozen=True)
class RunTimes:
    """The duration of one run, in seconds, without waiting for others."""

    training: float
    evaluation: float
    """Including the champion's share, if there was one."""
    whole: float
    generator_steps: int


def workload(config: RetrainConfig, processor: str) -> str:
    """SHA-256 (hex) of everything that determines how long a run takes, except the number of its steps."""
    data, training = config.data, config.training
    decisive = {
        "processor": processor,
        "model": config.model_name,
        "images": [data.source, data.location, data.image_size, data.channels, data.max_images],
        "networks": config.networks.model_dump(mode="json"),
        "training": training.model_dump(
            mode="json",
            include={
                *("objective", "batch_size", "optimizer", "n_critic", "critic_schedule", "precision", "tf32"),
                *(("evaluate_every", "evaluation_images") if training.evaluate_every else ()),
                *(("workers", "synchronise_batch_norm") if training.workers > 1 else ()),
            },
        ),
        "evaluation": config.evaluation.model_dump(mode="json", exclude={"seed", "confidence", "captured_share"}),
    }
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def find_earlier(config: RetrainConfig, processor: str, settings: Settings) -> RunTimes | None:
    """The times of the newest finished run of this work; None if there is none. Raises `WganError`."""
    wanted = f"attributes.status = 'FINISHED' and tags.`{WORKLOAD_TAG}` = '{workload(config, processor)}'"
    with Mlflow(settings) as server:
        runs = Runs(server)
        experiment = runs.experiment(settings.mlflow_experiment)
        if experiment is None:
            return None
        found = runs.newest(experiment.experiment_id, wanted, SEARCHED_RUNS)
    return next(filter(None, (_times(run.data.metrics) for run in found)), None)


def _times(values: Mapping[str, float]) -> RunTimes | None:
    if not {TRAINING_SECONDS, GENERATOR_STEPS, EVALUATION_SECONDS, RUN_SECONDS} <= values.keys():
        return None
    return RunTimes(
        training=values[TRAINING_SECONDS],
        evaluation=values[EVALUATION_SECONDS] + values.get(COMPARISON_SECONDS, 0.0),
        whole=values[RUN_SECONDS],
        generator_steps=int(values[GENERATOR_STEPS]),
    )
