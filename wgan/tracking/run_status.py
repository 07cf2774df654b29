"""A flow run's MLflow run, seen from outside its training: whether it exists, how it ended, the URL of its page.

Uses MLflow's REST API: flows call this outside training, and MLflow's own client takes seconds to import.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from wgan.mlflow_api.requests import Mlflow
from wgan.mlflow_api.runs import Run, Runs
from wgan.settings import Settings

FLOW_RUN_TAG = "wgan.flow_run_id"
NOTE_TAG = "mlflow.note.content"
"""MLflow's UI renders it as the description, of a run and of an experiment."""
PICTURES_TAB = "/model-metrics"
"""Tab of a run's page that starts with the image series, visible without scrolling."""
CURVES = "curves.png"
"""Artifact of a training's run: its curves as a figure."""

End = Literal["FINISHED", "FAILED", "KILLED"]


def end_run(settings: Settings, run_id: str, status: End) -> None:
    """Set the run's final status. Raises `WganError`, as all of these do."""
    with _runs(settings) as runs:
        _end(runs, run_id, status)


def end_unfinished_run(settings: Settings, flow_run_id: str, status: Literal["FAILED", "KILLED"]) -> None:
    """End the MLflow run of an interrupted flow run, if there is one still marked as running."""
    with _runs(settings) as runs:
        for run in _of_flow_run(runs, flow_run_id, settings):
            if run.info.status == "RUNNING":
                _end(runs, run.info.run_id, status)


def has_run(settings: Settings, flow_run_id: str) -> bool:
    """Whether a flow run has an MLflow run."""
    with _runs(settings) as runs:
        return next(_of_flow_run(runs, flow_run_id, settings), None) is not None


def describe_run(settings: Settings, run_id: str, markdown: str) -> None:
    """Set the run's description, which MLflow's UI renders."""
    with _runs(settings) as runs:
        runs.tag(run_id, NOTE_TAG, markdown)


def log_value(settings: Settings, run_id: str, name: str, value: float) -> None:
    """Log a single value of the run."""
    with _runs(settings) as runs:
        runs.log(run_id, name, value, int(time.time() * 1000))


def artifact_url(settings: Settings, run_id: str, path: str) -> str:
    """URL of an artifact of the run, for a browser."""
    return f"{settings.mlflow_page}/get-artifact?path={path}&run_uuid={run_id}"


def run_url(settings: Settings, run_id: str, tab: str = "") -> str:
    """URL of the run in MLflow's UI, opened at the given tab; by default at the overview."""
    with _runs(settings) as runs:
        experiment_id = runs.run(run_id).info.experiment_id
    return settings.mlflow_link(f"/experiments/{experiment_id}/runs/{run_id}{tab}")


@contextmanager
def _runs(settings: Settings) -> Iterator[Runs]:
    with Mlflow(settings) as server:
        yield Runs(server)


def _of_flow_run(runs: Runs, flow_run_id: str, settings: Settings) -> Iterator[Run]:
    experiment = runs.experiment(settings.mlflow_experiment)
    if experiment is not None:
        yield from runs.search([experiment.experiment_id], f"tags.`{FLOW_RUN_TAG}` = '{flow_run_id}'")


def _end(runs: Runs, run_id: str, status: End) -> None:
    runs.end(run_id, status, int(time.time() * 1000))
