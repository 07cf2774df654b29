"""Rules: old task results, and old counts of canaries, are removed unless a run that may continue wrote them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from wgan.housekeeping.deletions import Deletions, delete_keys
from wgan.housekeeping.references import FlowRun
from wgan.housekeeping.report import RuleReport
from wgan.housekeeping.survey import Survey
from wgan.storage import StoredObject
from wgan.storage.objects import MOST_IN_A_REQUEST

SLACK = timedelta(hours=1)
"""Tolerance between the clocks of Prefect and the object store."""
FOREVER = datetime.max.replace(tzinfo=UTC)


def expire_results(survey: Survey) -> RuleReport:
    """Remove the results of finished runs."""
    return _expire(survey, "task results", "results", survey.settings.prefect_prefix)


def expire_counts(survey: Survey) -> RuleReport:
    """Remove what canaries and watches had counted whose runs ended without removing it."""
    return _expire(survey, "counts of canaries", "counts", survey.settings.releases_prefix)


def _expire(survey: Survey, rule: str, things: str, prefix: str) -> RuleReport:
    """Remove what finished runs wrote under the prefix.

    Prefect names results by a digest, so a result does not tell its run: anything written while an unfinished run was
    active is attributed to that run.
    """
    deletions = Deletions(rule, survey)
    days = survey.settings.keep_result_days
    old: list[StoredObject] = []
    for entry in survey.storage.list(f"{prefix}/"):
        if survey.older(entry.modified, days):
            old.append(entry)
        else:
            deletions.keep(f"younger than {days:g} days")
    unfinished = survey.read_references(()).unfinished
    expired = [entry for entry in old if not _may_belong(entry, unfinished)]
    if len(old) > len(expired):
        deletions.keep("written during a run that may continue", len(old) - len(expired))
    for start in range(0, len(expired), MOST_IN_A_REQUEST):
        part = expired[start : start + MOST_IN_A_REQUEST]

        def why_kept_now(part: list[StoredObject] = part) -> str | None:
            runs = survey.read_references(()).unfinished
            return "a run has been resumed" if any(_may_belong(entry, runs) for entry in part) else None

        def delete(part: list[StoredObject] = part) -> None:
            delete_keys(survey.storage, [entry.key for entry in part])

        name = f"{prefix}/ ({len(part):,} {things})"
        deletions.remove(name, (entry.size for entry in part), why_kept_now, delete, things=len(part), named=False)
    return deletions.report()


def _may_belong(entry: StoredObject, runs: tuple[FlowRun, ...]) -> bool:
    return any(run.started and run.started - SLACK <= entry.modified <= _end(run) for run in runs)


def _end(run: FlowRun) -> datetime:
    """A crashed run writes nothing after it was marked as crashed; other unfinished runs still write."""
    return run.ended + SLACK if run.ended else FOREVER
