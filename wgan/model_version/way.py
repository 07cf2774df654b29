"""Where a version is on its way to production, and what it waits for: read from its tags and the model's aliases.

registered → gate → (approval) → (canary) → champion → (watch). The pipeline keeps the version's last ledger entry as a
tag, so that neither a listing nor a page needs the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import Field, ValidationError

from wgan.records import LedgerEntry, Moment, Record

WAY_TAG = "way"
"""JSON of the version's last ledger entry, without its decision."""

ONCE_CHAMPION = ("promoted", "kept", "rolled-back", "reconciled", "moved-outside")
"""Last actions about a version that is, or was, the champion."""

Stage = Literal["registered", "approval", "canary", "promotion", "champion", "previous", "refused", "withdrawn", "past"]
"""registered: not judged yet. approval, canary, promotion: the challenger, which waits for that. previous: the version
that a rollback returns to. past: it was the champion once."""


class VersionStage(Record):
    """Where a version is on its way."""

    stage: Stage
    since: Moment | None = Field(description="When it got there; None if unknown.")
    waits_for: str | None = Field(description="What it waits for, as a phrase; None: nothing.")
    until: Moment | None = Field(None, description="When the wait ends by itself; None: it does not, or none waits.")


def way_text(entry: LedgerEntry) -> str:
    """The tag's value after an entry was written."""
    return entry.model_copy(update={"decision": None}).model_dump_json()


def last_entry(tags: Mapping[str, str]) -> LedgerEntry | None:
    """The version's last ledger entry, without its decision; None if it has none that this code can read."""
    try:
        return LedgerEntry.model_validate_json(tags.get(WAY_TAG, ""))
    except ValidationError:  # judged by an earlier version of the code, or edited by a person
        return None


def stage_of(version: int, tags: Mapping[str, str], aliases: Mapping[str, int]) -> VersionStage:
    """Where the version is, from its tags and its model's aliases."""
    entry = last_entry(tags)
    since = entry.time if entry else None
    if aliases.get("champion") == version:
        until = watch_until(entry) if entry else None
        waits_for = "the end of the watch after its promotion" if until else None
        return VersionStage(stage="champion", since=since, waits_for=waits_for, until=until)
    if entry is not None and aliases.get("challenger") == version:
        return challenger_stage(entry)
    if aliases.get("previous") == version:
        return VersionStage(stage="previous", since=None, waits_for=None)
    outcome = entry.action if entry else tags.get("gate")
    if outcome in ("refused", "withdrawn"):
        return VersionStage(stage=outcome, since=since, waits_for=None)
    if outcome in ONCE_CHAMPION:
        return VersionStage(stage="past", since=None, waits_for=None)
    return VersionStage(stage="registered", since=None, waits_for=None)


def approve_by(entry: LedgerEntry) -> datetime | None:
    """Until when a version whose last entry is this one waits for approval; None if it does not."""
    if entry.action != "passed" or entry.plan is None or not entry.plan.approval:
        return None
    return entry.time.astimezone(UTC) + timedelta(hours=entry.plan.approval_hours)


def watch_until(entry: LedgerEntry) -> datetime | None:
    """Until when a fault rolls back the version whose last entry is this one; None if none does."""
    if entry.action != "promoted" or entry.plan is None or not entry.plan.watch_minutes:
        return None
    return entry.time.astimezone(UTC) + timedelta(minutes=entry.plan.watch_minutes)


def canary_percent(tags: Mapping[str, str]) -> float:
    """The share of the requests that the challenger with these tags draws, in percent; 0 outside a canary."""
    entry = last_entry(tags)
    if entry is None or entry.action != "canary" or entry.plan is None or entry.plan.canary is None:
        return 0.0
    return entry.plan.canary.percent


def challenger_stage(entry: LedgerEntry) -> VersionStage:
    """Where the challenger with that last entry is."""
    until = approve_by(entry)
    if until is not None:
        named = f"{entry.model_name} {entry.to_version}"
        waits_for = f"approval: `wgan approve {named}` or `wgan refuse {named}`, each with --reason"
        return VersionStage(stage="approval", since=entry.time, waits_for=waits_for, until=until)
    canary = entry.plan.canary if entry.plan else None
    if canary is not None and entry.action == "canary":
        waits_for = f"the end of its canary: it draws {canary.percent:g} % of the requests"
        until = entry.time + timedelta(minutes=canary.longest_minutes)
        return VersionStage(stage="canary", since=entry.time, waits_for=waits_for, until=until)
    if canary is not None:
        return VersionStage(stage="canary", since=entry.time, waits_for="its canary, by a worker")
    return VersionStage(stage="promotion", since=entry.time, waits_for="its promotion by a worker")
