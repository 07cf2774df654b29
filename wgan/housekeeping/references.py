"""Collects references: from registered versions and training runs in MLflow, and from flow runs in Prefect."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime

from pydantic import Field

from wgan.mlflow_api.models import Models, ModelVersion
from wgan.mlflow_api.requests import Mlflow
from wgan.mlflow_api.runs import Run, Runs
from wgan.records import Record
from wgan.settings import Settings
from wgan.tracking.run_status import FLOW_RUN_TAG

DATA_DIGEST_TAG = "wgan.data_digest"
FINISHED = ("COMPLETED", "FAILED", "CANCELLED")
"""Prefect's state types after which a run does not continue by itself. A crashed one may be restarted."""
AT_WORK = ("PENDING", "RUNNING", "CANCELLING")
READERS_OF_DATA = ("retrain", "promote", "study")
"""Flows that prepare or read data sets."""


class FlowRun(Record):
    """A flow run in Prefect."""

    id: str
    flow: str = Field(description="Name of the flow.")
    state: str = Field(description="Prefect's type of its state, e.g. RUNNING.")
    since: datetime = Field(description="When it entered that state.")
    started: datetime | None = Field(description="When it first ran; None: it never did.")
    ended: datetime | None = Field(description="When it reached a final state; crashed is one of them.")
    data_names: tuple[str, ...] | None = Field((), description="Data sets it may read; None: unknown.")

    @property
    def finished(self) -> bool:
        """Whether it does not continue unless somebody resumes it."""
        return self.state in FINISHED


class VersionReference(Record):
    """What a registered version refers to."""

    model: str
    version: int
    data_digest: str | None
    checkpoint_uri: str | None
    flow_run_id: str | None


class TrainingReference(Record):
    """What a training run in MLflow refers to."""

    flow_run_id: str | None
    data_digest: str
    last_active: datetime = Field(description="Its end, or its start where it has not ended.")


class References(Record):
    """All references at one moment."""

    versions: tuple[VersionReference, ...]
    trainings: tuple[TrainingReference, ...]
    flow_runs: tuple[FlowRun, ...] = Field(description="All that are not finished, and those that were asked for.")

    def flow_run(self, flow_run_id: str) -> FlowRun | None:
        """The flow run, if Prefect knows it."""
        return next((run for run in self.flow_runs if run.id == flow_run_id), None)

    @property
    def unfinished(self) -> tuple[FlowRun, ...]:
        """Flow runs that have started and may continue: running, awaiting a retry, paused or crashed."""
        return tuple(run for run in self.flow_runs if run.started is not None and not run.finished)

    @property
    def reading_data(self) -> tuple[FlowRun, ...]:
        """Flow runs that may be preparing or opening a data set."""
        return tuple(run for run in self.flow_runs if run.state in AT_WORK and run.flow in READERS_OF_DATA)


ReadFlowRuns = Callable[[Collection[str]], tuple[FlowRun, ...]]
"""Reads all unfinished flow runs from Prefect, and those with the given ids that it knows, finished or not."""
ReadReferences = Callable[[Collection[str]], References]
"""Collects the current references, including the flow runs with the given ids."""


def collect_references(settings: Settings, read_flow_runs: ReadFlowRuns, flow_run_ids: Collection[str]) -> References:
    """Ask Prefect and MLflow. Raises `WganError` in one sentence if either does not answer."""
    # Flow runs first: whatever a run that ends in between registers is then found in MLflow.
    flow_runs = read_flow_runs(flow_run_ids)
    with Mlflow(settings) as server:
        runs = _training_runs(Runs(server))
        tags = {run.info.run_id: run.data.tags for run in runs}
        return References(
            versions=tuple(_version(entry, tags.get(entry.run_id or "", {})) for entry in Models(server).versions()),
            trainings=tuple(_training(run) for run in runs if run.info.lifecycle_stage == "active"),
            flow_runs=flow_runs,
        )


def _training_runs(runs: Runs) -> list[Run]:
    """All training runs, including deleted ones."""
    experiments = [experiment.experiment_id for experiment in runs.experiments()]
    return list(runs.search(experiments, f"tags.`{DATA_DIGEST_TAG}` LIKE '%'", "ALL"))


def _version(entry: ModelVersion, run_tags: dict[str, str]) -> VersionReference:
    """From a version's own tags, or, if they were removed, from those of the run that made it."""
    return VersionReference(
        model=entry.name,
        version=entry.version,
        data_digest=entry.tags.get("data_digest") or run_tags.get(DATA_DIGEST_TAG),
        checkpoint_uri=entry.tags.get("checkpoint_uri"),
        flow_run_id=entry.tags.get("flow_run_id") or run_tags.get(FLOW_RUN_TAG),
    )


def _training(run: Run) -> TrainingReference:
    milliseconds = run.info.end_time or run.info.start_time
    return TrainingReference(
        flow_run_id=run.data.tags.get(FLOW_RUN_TAG),
        data_digest=run.data.tags[DATA_DIGEST_TAG],
        last_active=datetime.fromtimestamp(milliseconds / 1000, UTC),
    )
