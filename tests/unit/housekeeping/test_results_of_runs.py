"""Which task results and counts may belong to a run: those written between its start and its end.

An hour is for clocks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from wgan.housekeeping.references import FlowRun, References
from wgan.housekeeping.results import expire_counts, expire_results
from wgan.housekeeping.survey import Survey
from wgan.settings import Settings
from wgan.storage import StoredObject

NOW = datetime(2026, 6, 1, tzinfo=UTC)
WRITTEN = NOW - timedelta(days=100)


RESULT, COUNTS = "prefect/0a1b", "releases/generator-digits/0a1b.json"


@dataclass
class OneOfEach:
    """A bucket with a task's result and a canary's counts, written a hundred days ago."""

    deleted: list[str] = field(default_factory=list)

    def list(self, prefix: str) -> list[StoredObject]:
        entries = [StoredObject(key, 2, WRITTEN, '"e"') for key in (RESULT, COUNTS)]
        return [entry for entry in entries if entry.key.startswith(prefix)]

    def delete_all(self, keys: Collection[str]) -> dict[str, str]:
        self.deleted += keys
        return {}


def swept(run: FlowRun) -> list[str]:
    """Keys that were removed, with this one flow run."""
    references = References(versions=(), trainings=(), flow_runs=(run,), data_of=lambda run: frozenset())
    bucket = OneOfEach()
    around = Survey(Settings(_env_file=None), bucket, lambda ids: references, NOW, dry_run=False)  # type: ignore[arg-type]
    expire_results(around)
    expire_counts(around)
    return bucket.deleted


def flow_run(state: str, started: timedelta | None, ended: timedelta | None) -> FlowRun:
    """A run that began and ended so long after the result was written; negative: before."""
    return FlowRun(
        id="r",
        flow="retrain",
        state=state,
        since=WRITTEN,
        started=None if started is None else WRITTEN + started,
        ended=None if ended is None else WRITTEN + ended,
    )


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("state", "started", "ended", "goes"),
    [
        ("RUNNING", -2 * HOUR, None, False),
        ("RUNNING", HOUR / 2, None, False),
        ("RUNNING", 2 * HOUR, None, True),
        ("CRASHED", -2 * HOUR, HOUR, False),
        ("CRASHED", -3 * HOUR, -HOUR / 2, False),
        ("CRASHED", -3 * HOUR, -2 * HOUR, True),
        ("SCHEDULED", None, None, True),
        ("SCHEDULED", -2 * HOUR, None, False),
        ("COMPLETED", -2 * HOUR, HOUR, True),
        ("FAILED", -2 * HOUR, HOUR, True),
    ],
)
def test_both_stay_only_for_an_unfinished_run_that_was_active_when_they_were_written(
    state: str, started: timedelta | None, ended: timedelta | None, goes: bool
) -> None:
    assert swept(flow_run(state, started, ended)) == ([RESULT, COUNTS] if goes else [])
