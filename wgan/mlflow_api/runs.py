"""Experiments and runs: finds, reads, describes and ends them. Logging goes through MLflow's own client."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field

from wgan.mlflow_api.requests import Answered, Mlflow, Page
from wgan.mlflow_values import Metrics, Milliseconds, Tags

A_PAGE = 1000
"""MLflow's maximum page size for experiments; runs are larger, since they include all their metrics."""

SHARED_VIEW = "wgan"
"""Name of the view that an experiment of retrainings has, in the page's address: `viewStateShareKey`."""

View = Literal["ACTIVE_ONLY", "ALL"]
"""Whether to include deleted runs."""


class Experiment(Answered):
    """An experiment."""

    experiment_id: str


class RunInfo(Answered):
    """MLflow's own metadata of a run."""

    run_id: str
    experiment_id: str
    status: str = ""
    start_time: Milliseconds = 0
    end_time: Milliseconds | None = None
    lifecycle_stage: str = "active"


class RunData(Answered):
    """What was logged."""

    tags: Tags = Field(default_factory=dict)
    params: Tags = Field(default_factory=dict)
    metrics: Metrics = Field(default_factory=dict)


class Run(Answered):
    """A run."""

    info: RunInfo
    data: RunData = RunData()


class _Experiment(Answered):
    experiment: Experiment


class _Experiments(Page):
    experiments: tuple[Experiment, ...] = ()


class _Run(Answered):
    run: Run


class _Runs(Page):
    runs: tuple[Run, ...] = ()


class Runs:
    """The runs of a server. Every method raises `WganError` if the server does not answer or refuses."""

    def __init__(self, server: Mlflow) -> None:
        self.server = server

    def experiment(self, name: str) -> Experiment | None:
        """The experiment of that name; None if there is none."""
        found = self.server.find("experiments/get-by-name", _Experiment, experiment_name=name)
        return found.experiment if found else None

    def experiments(self) -> Iterator[Experiment]:
        """Every experiment that is not deleted."""
        for page in self.server.every("POST", "experiments/search", _Experiments, max_results=A_PAGE):
            yield from page.experiments

    def search(self, experiments: Sequence[str], wanted: str, view: View = "ACTIVE_ONLY") -> Iterator[Run]:
        """Every run of these experiments, given by id, that matches the filter `wanted`."""
        if not experiments:  # MLflow would search all of them
            return
        for page in self.server.every(
            "POST",
            "runs/search",
            _Runs,
            experiment_ids=list(experiments),
            filter=wanted,
            run_view_type=view,
            max_results=A_PAGE,
        ):
            yield from page.runs

    def newest(self, experiment: str, wanted: str, count: int) -> tuple[Run, ...]:
        """At most `count` of the experiment's runs that the filter `wanted` holds for, the newest first."""
        return self.server.send(
            "POST",
            "runs/search",
            _Runs,
            experiment_ids=[experiment],
            filter=wanted,
            order_by=["attributes.start_time DESC"],
            max_results=count,
        ).runs

    def run(self, run_id: str) -> Run:
        """The run, even if it was deleted."""
        return self.server.send("GET", "runs/get", _Run, run_id=run_id).run

    def find(self, run_id: str) -> Run | None:
        """The run, even if it was deleted; None if there is no trace of it."""
        found = self.server.find("runs/get", _Run, run_id=run_id)
        return found.run if found else None

    def tag(self, run_id: str, key: str, value: str) -> None:
        """Set a tag of a run, replacing its previous value."""
        self.server.send("POST", "runs/set-tag", Answered, run_id=run_id, key=key, value=value)

    def log(self, run_id: str, key: str, value: float, milliseconds: int) -> None:
        """Log a single value, at step 0."""
        self.server.send(
            "POST", "runs/log-metric", Answered, run_id=run_id, key=key, value=value, timestamp=milliseconds, step=0
        )

    def rename(self, run_id: str, name: str) -> None:
        """Set a run's name."""
        self.server.send("POST", "runs/update", Answered, run_id=run_id, run_name=name)

    def end(self, run_id: str, status: Literal["FINISHED", "FAILED", "KILLED"], milliseconds: int) -> None:
        """Set a run's final status, and when it ended."""
        self.server.send("POST", "runs/update", Answered, run_id=run_id, status=status, end_time=milliseconds)
