"""Collects references: from registered versions and training runs in MLflow, and from flow runs in Prefect."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from pydantic import Field

from wgan.housekeeping.registered import Registered, TrainingReference, VersionReference
from wgan.records import Record

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


@dataclass(frozen=True)
class References:
    """All references at one moment."""

    versions: tuple[VersionReference, ...]
    trainings: tuple[TrainingReference, ...]
    """Those active within the time for which unreferenced data sets are kept."""
    flow_runs: tuple[FlowRun, ...]
    """All that are not finished, and those that were asked for."""
    data_of: Callable[[str], frozenset[str]]
    """Digests of the data that a flow run trained on, from MLflow."""

    def flow_run(self, flow_run_id: str) -> FlowRun | None:
        """The flow run, if Prefect knows it."""
        return self._flow_runs_by_id.get(flow_run_id)

    def made_a_version(self, flow_run_id: str, checkpoints: str) -> bool:
        """Whether a registered version came from the flow run, or from a checkpoint below that address."""
        return flow_run_id in self._flow_runs_of_versions or checkpoints in self._folders_of_versions

    def made_of(self, data_digest: str) -> bool:
        """Whether a registered version was trained on the data."""
        return data_digest in self._data_of_versions

    def last_trained_on(self, data_digest: str) -> datetime | None:
        """When a training on the data was last active; None if none was recently."""
        return self._last_trained.get(data_digest)

    @cached_property
    def unfinished(self) -> tuple[FlowRun, ...]:
        """Flow runs that have started and may continue: running, awaiting a retry, paused or crashed."""
        return tuple(run for run in self.flow_runs if run.started is not None and not run.finished)

    @cached_property
    def reading_data(self) -> tuple[FlowRun, ...]:
        """Flow runs that may be preparing or opening a data set."""
        return tuple(run for run in self.flow_runs if run.state in AT_WORK and run.flow in READERS_OF_DATA)

    @cached_property
    def _flow_runs_by_id(self) -> dict[str, FlowRun]:
        return {run.id: run for run in self.flow_runs}

    @cached_property
    def _flow_runs_of_versions(self) -> frozenset[str | None]:
        return frozenset(version.flow_run_id for version in self.versions)

    @cached_property
    def _data_of_versions(self) -> frozenset[str | None]:
        return frozenset(version.data_digest for version in self.versions)

    @cached_property
    def _folders_of_versions(self) -> frozenset[str]:
        """Every address, with a slash at its end, that a version's checkpoint is below."""
        folders = set()
        for version in self.versions:
            parts = (version.checkpoint_uri or "").split("/")
            folders |= {"/".join(parts[:count]) + "/" for count in range(1, len(parts))}
        return frozenset(folders)

    @cached_property
    def _last_trained(self) -> dict[str, datetime]:
        last: dict[str, datetime] = {}
        for training in self.trainings:
            digest = training.data_digest
            last[digest] = max(training.last_active, last.get(digest, training.last_active))
        return last


ReadFlowRuns = Callable[[Collection[str]], tuple[FlowRun, ...]]
"""Reads all unfinished flow runs from Prefect, and those with the given ids that it knows, finished or not."""
ReadReferences = Callable[[Collection[str]], References]
"""Collects the current references, including the flow runs with the given ids."""


def collect_references(
    registered: Registered, read_flow_runs: ReadFlowRuns, flow_run_ids: Collection[str]
) -> References:
    """Ask Prefect and MLflow. Raises `WganError` in one sentence if either does not answer."""
    # Flow runs first: whatever a run that ends in between registers is then found in MLflow.
    flow_runs = read_flow_runs(flow_run_ids)
    versions, trainings = registered.read()
    return References(versions, trainings, flow_runs, registered.data_of)
