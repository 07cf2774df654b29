"""Checks before anything is removed: the clocks, running backups, and whether MLflow and Prefect answer."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from wgan.errors import WganError
from wgan.housekeeping.references import ReadFlowRuns, ReadReferences, References, collect_references
from wgan.housekeeping.registered import Registered
from wgan.settings import Settings
from wgan.storage import Storage, StoredObject

BACKUP_MARKER = "operations/backup-in-progress.json"
"""`wgan backup` writes it before it reads anything, and removes it at the end."""
BACKUP_HOURS = 24
"""Age from which a marker belongs to a dead backup."""
CLOCK_MINUTES = 5
"""Maximum difference between clocks."""


@dataclass(frozen=True)
class Survey:
    """The facts that every rule uses."""

    settings: Settings
    storage: Storage
    read_references: ReadReferences
    now: datetime
    """The time by the object store's clock."""
    dry_run: bool

    def older(self, moment: datetime, days: float) -> bool:
        """Whether the moment is more than `days` ago; always true for 0 (the store's times are whole seconds)."""
        return days == 0 or self.now - moment > timedelta(days=days)


def survey(
    settings: Settings,
    storage: Storage,
    read_flow_runs: ReadFlowRuns,
    *,
    dry_run: bool = False,
    now: datetime | None = None,
) -> Survey:
    """Collect the facts without writing anything. `now` overrides the store's clock.

    Raises `WganError` in one sentence if MLflow, Prefect or the store does not answer, or a clock is wrong.
    """
    if now is None:
        now = storage.clock()
        _compare_clocks(now, datetime.now(UTC))

    registered = Registered(settings, now - timedelta(days=settings.keep_dataset_days))

    def read_references(flow_run_ids: Collection[str]) -> References:
        return collect_references(registered, read_flow_runs, flow_run_ids)

    read_references(())
    prefixes = (
        settings.checkpoints_prefix,
        settings.datasets_prefix,
        settings.evaluation_prefix,
        settings.prefect_prefix,
        settings.releases_prefix,
    )
    _refuse_objects_of_the_future(now, (entry for prefix in prefixes for entry in storage.list(f"{prefix}/")))
    return Survey(settings, storage, read_references, now, dry_run)


def backup_under_way(storage: Storage, now: datetime) -> str | None:
    """One sentence if a backup is running, else None: nothing it has yet to copy may be removed."""
    for entry in storage.list(BACKUP_MARKER):
        if entry.key == BACKUP_MARKER and now - entry.modified < timedelta(hours=BACKUP_HOURS):
            said = f"{entry.modified.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
            return (
                f"a backup is running, last refreshed at {said}; if it was killed, delete {storage.uri(entry.key)} "
                f"or wait until that is {BACKUP_HOURS} hours old."
            )
    return None


def _compare_clocks(store: datetime, here: datetime) -> None:
    if abs(store - here) > timedelta(minutes=CLOCK_MINUTES):
        raise WganError(
            f"nothing was removed: it is {here:%Y-%m-%d %H:%M:%S} UTC on this machine and {store:%Y-%m-%d %H:%M:%S} "
            "UTC at the object store, so one of the two clocks is wrong."
        )


def _refuse_objects_of_the_future(now: datetime, entries: Iterable[StoredObject]) -> None:
    newest = max(entries, key=lambda entry: entry.modified, default=None)
    if newest and newest.modified - now > timedelta(minutes=CLOCK_MINUTES):
        raise WganError(
            f"nothing was removed: {newest.key} is from {newest.modified.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, later "
            f"than the present {now.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, so a clock is wrong."
        )
