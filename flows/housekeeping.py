"""Housekeeping: removes what is no longer referred to, by the rules of docs/housekeeping.md."""

from __future__ import annotations

from prefect import flow

from tasks.housekeeping import (
    find_backup,
    publish_housekeeping,
    record_outside_moves,
    sweep_checkpoints,
    sweep_counts,
    sweep_datasets,
    sweep_evaluation,
    sweep_results,
    sweep_this_machine,
    sweep_uploads,
    take_survey,
)
from tasks.report import announce_run
from wgan.housekeeping.report import HousekeepingReport


@flow(name="housekeeping", persist_result=True, on_running=[announce_run])
def housekeeping(dry_run: bool = False) -> HousekeepingReport:
    """Record aliases that were moved outside, then remove what has expired; a dry run only counts it.

    Args:
        dry_run: Remove nothing; report what would be removed.
    """
    around = take_survey(dry_run)
    if backup := find_backup(around):
        return publish_housekeeping(around, stopped=backup)
    record_outside_moves(dry_run)
    checkpoints = sweep_checkpoints(around)
    datasets = sweep_datasets(around)
    evaluation = sweep_evaluation(around, datasets)
    results = sweep_results(around)
    counts = sweep_counts(around)
    uploads = sweep_uploads(around)
    here = sweep_this_machine(around)
    return publish_housekeeping(around, (checkpoints, datasets, evaluation, results, counts, uploads, *here))
