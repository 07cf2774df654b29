"""What registered versions and training runs in MLflow refer to: read once, then only what is new or has changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from pydantic import Field

from wgan.mlflow_api.models import VERSIONS_A_PAGE, Models, ModelVersion
from wgan.mlflow_api.requests import Mlflow
from wgan.mlflow_api.runs import Run, Runs
from wgan.records import Record
from wgan.settings import Settings
from wgan.tracking.run_status import FLOW_RUN_TAG

DATA_DIGEST_TAG = "wgan.data_digest"
A_PAGE = 10
"""Versions a request when only new ones are read."""
SKEW = timedelta(days=1)
"""The largest plausible difference between the clocks that date versions and runs."""


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


class Registered:
    """Reads versions, and the training runs that were active after a moment.

    The first reading asks for everything, in pages; later ones ask for what was created or active since, and for runs
    that have not ended. What was deleted meanwhile still counts. Every reading raises `WganError` if MLflow does not
    answer.
    """

    def __init__(self, settings: Settings, active_after: datetime) -> None:
        self._settings = settings
        self._active_after = active_after - SKEW
        self._created_after: datetime | None = None
        self._versions: dict[tuple[str, int], VersionReference] = {}
        self._trainings: dict[str, TrainingReference] = {}

    def read(self) -> tuple[tuple[VersionReference, ...], tuple[TrainingReference, ...]]:
        """All versions, and all trainings that were active after the moment."""
        began = datetime.now(UTC) - SKEW
        with Mlflow(self._settings) as server:
            runs = Runs(server)
            # Deleted trainings no longer count, but a version may have come from one.
            for run in self._new_trainings(runs):
                self._trainings[run.info.run_id] = _training(run)
            for entry in self._new_versions(Models(server)):
                self._versions[entry.name, entry.version] = _version(entry, runs)
        self._created_after, self._active_after = began, max(self._active_after, began)
        return tuple(self._versions.values()), tuple(self._trainings.values())

    def data_of(self, flow_run_id: str) -> frozenset[str]:
        """Digests of the data that a flow run trained on, whenever that was."""
        with Mlflow(self._settings) as server:
            found = _trainings(Runs(server), f"tags.`{FLOW_RUN_TAG}` = '{flow_run_id}'")
            return frozenset(run.data.tags[DATA_DIGEST_TAG] for run in found)

    def _new_versions(self, models: Models) -> Iterator[ModelVersion]:
        """Those not known yet; the last created come first."""
        for entry in models.versions(VERSIONS_A_PAGE if self._created_after is None else A_PAGE):
            if self._created_after is not None and _time(entry.creation_timestamp) < self._created_after:
                return
            if (entry.name, entry.version) not in self._versions:
                yield entry

    def _new_trainings(self, runs: Runs) -> Iterator[Run]:
        milliseconds = int(self._active_after.timestamp() * 1000)
        return _trainings(
            runs,
            f"attributes.start_time > {milliseconds}",
            f"attributes.end_time > {milliseconds}",
            "attributes.status = 'RUNNING'",
        )


def _trainings(runs: Runs, *filters: str) -> Iterator[Run]:
    """The trainings that one of the filters holds for."""
    experiments = [experiment.experiment_id for experiment in runs.experiments()]
    for wanted in filters:
        yield from runs.search(experiments, f"tags.`{DATA_DIGEST_TAG}` LIKE '%' and {wanted}")


def _version(entry: ModelVersion, runs: Runs) -> VersionReference:
    """From a version's own tags, or, if they were removed, from those of the run that made it."""
    own = entry.tags
    lacking = entry.run_id and not {"data_digest", "flow_run_id"} <= own.keys()
    run = runs.find(entry.run_id) if lacking and entry.run_id else None
    tags = run.data.tags if run else {}
    return VersionReference(
        model=entry.name,
        version=entry.version,
        data_digest=own.get("data_digest") or tags.get(DATA_DIGEST_TAG),
        checkpoint_uri=own.get("checkpoint_uri"),
        flow_run_id=own.get("flow_run_id") or tags.get(FLOW_RUN_TAG),
    )


def _training(run: Run) -> TrainingReference:
    return TrainingReference(
        flow_run_id=run.data.tags.get(FLOW_RUN_TAG),
        data_digest=run.data.tags[DATA_DIGEST_TAG],
        last_active=_time(run.info.end_time or run.info.start_time),
    )


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
