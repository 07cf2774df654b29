"""A study in MLflow: one experiment, a parent run for each study, a child run for each training of a claim."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlflow.entities import Metric, Param
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_SOURCE_NAME, MLFLOW_USER

from wgan.settings import Settings
from wgan.tracking.client import tracking
from wgan.tracking.experiments import ensure_experiment
from wgan.tracking.metric_stream import MAX_BATCH
from wgan.tracking.run_status import FLOW_RUN_TAG, NOTE_TAG

EXPERIMENT = "wgan-study"
DESCRIPTION = (
    "Studies of the claims of *Wasserstein GAN* (Arjovsky, Chintala and Bottou, ICML 2017): each run is one study, its "
    "description the report, and its child runs the trainings of a claim with their parameters and curves."
)
CHILD_TAG = "wgan.study_variant"


def study_settings(settings: Settings) -> Settings:
    """The settings with the study's experiment, for the functions in `wgan.tracking.runs`."""
    return settings.model_copy(update={"mlflow_experiment": EXPERIMENT})


def start_or_resume_study(settings: Settings, flow_run_id: str, name: str, parameters: Mapping[str, str]) -> str:
    """The parent run of a flow run: found by its tag and resumed, or created. Returns the run's id."""
    with tracking(settings) as client:
        experiment_id = ensure_experiment(client, EXPERIMENT, DESCRIPTION)
        found = client.search_runs([experiment_id], f"tags.`{FLOW_RUN_TAG}` = '{flow_run_id}'", max_results=1)
        if found:
            run_id: str = found[0].info.run_id
            client.update_run(run_id, status="RUNNING")
            return run_id
        run = client.create_run(
            experiment_id,
            run_name=name,
            tags={FLOW_RUN_TAG: flow_run_id, MLFLOW_SOURCE_NAME: "flows/study.py", MLFLOW_USER: "wgan"},
        )
        run_id = run.info.run_id
        client.log_batch(run_id, params=[Param(key, value) for key, value in parameters.items()])
        return run_id


def log_child(
    settings: Settings,
    parent: str,
    name: str,
    note: str,
    parameters: Mapping[str, str],
    metrics: Mapping[str, float],
    curves: Mapping[str, Sequence[float]],
    steps: Sequence[int],
) -> str:
    """Log one finished child run of `parent`; a repeated call with the same name reuses it.

    `curves` hold a value for each of `steps`; `metrics` are single values; those without a curve are logged.
    """
    with tracking(settings) as client:
        experiment_id = client.get_run(parent).info.experiment_id
        query = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent}' and tags.`{CHILD_TAG}` = '{name}'"
        for run in client.search_runs([experiment_id], query):
            if run.info.status == "FINISHED":
                return str(run.info.run_id)
            client.delete_run(run.info.run_id)
        run = client.create_run(
            experiment_id,
            run_name=name,
            tags={
                MLFLOW_PARENT_RUN_ID: parent,
                CHILD_TAG: name,
                NOTE_TAG: note,
                MLFLOW_SOURCE_NAME: "flows/study.py",
                MLFLOW_USER: "wgan",
            },
        )
        now = int(time.time() * 1000)
        values = [Metric(key, value, now, 0) for key, value in metrics.items() if key not in curves]
        values += [
            Metric(key, value, now, step)
            for key, column in curves.items()
            for step, value in zip(steps, column, strict=True)
        ]
        client.log_batch(run.info.run_id, params=[Param(key, value) for key, value in parameters.items()])
        for start in range(0, len(values), MAX_BATCH):
            client.log_batch(run.info.run_id, metrics=values[start : start + MAX_BATCH])
        client.set_terminated(run.info.run_id, "FINISHED")
        return str(run.info.run_id)


def log_folder(settings: Settings, run_id: str, folder: Path) -> None:
    """Upload everything in a folder as artifacts of the run."""
    with tracking(settings) as client:
        client.log_artifacts(run_id, str(folder))
