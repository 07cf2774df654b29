"""Records what a promotion or rollback is about to do, as tags on the version, before it acts.

One holds the ledger entry it is going to write, one the entry before that, by which the server finds operations in
progress, and one the outcome. A crash therefore cannot lose why an alias moved, two operations that start at once see
each other, and one that was considered dead notices before it writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from wgan.mlflow_api.models import Models, ModelVersion
from wgan.records import LedgerEntry

INTENT_TAG = "promotion"
"""JSON of the ledger entry that the version's last promotion, refusal or rollback is writing, or has written."""
AFTER_TAG = "promotion.after"
"""Id of the last ledger entry when the intent was announced; `FIRST` if there was none. It is set before the intent."""
FIRST = "none"
OUTCOME_TAG = "promotion.outcome"
"""`done:<id>`: fully written; `void:<id>`: it was overtaken; `undone:<id>`: its late write was reverted."""
A_PAGE = 20
"""Versions a request: few operations start after the same entry."""

Outcome = Literal["open", "done", "void", "undone"]


@dataclass(frozen=True)
class Intent:
    """A version's last intent."""

    entry: LedgerEntry
    outcome: Outcome


def announce(models: Models, entry: LedgerEntry) -> None:
    """Record on the version what is about to happen."""
    models.tag_version(entry.model_name, entry.to_version, AFTER_TAG, entry.previous or FIRST)
    models.tag_version(entry.model_name, entry.to_version, INTENT_TAG, entry.model_dump_json())


def announced_after(models: Models, model: str, last_id: str | None) -> Iterator[ModelVersion]:
    """The versions whose last intent was announced when this was the last entry of the ledger."""
    return models.newest_versions(model, A_PAGE, f"tags.`{AFTER_TAG}` = '{last_id or FIRST}'")


def close(models: Models, entry: LedgerEntry, outcome: Literal["done", "void", "undone"]) -> None:
    """Record the outcome of an intent."""
    models.tag_version(entry.model_name, entry.to_version, OUTCOME_TAG, f"{outcome}:{entry.id}")


def read_intent(tags: Mapping[str, str]) -> Intent | None:
    """The intent on a version with these tags; None if there is none that this version of the code wrote."""
    text = tags.get(INTENT_TAG)
    try:
        entry = LedgerEntry.model_validate_json(text) if text else None
    except ValidationError:  # written by another version of the code, or by a person
        return None
    if entry is None:
        return None
    for outcome in ("done", "void", "undone"):
        if tags.get(OUTCOME_TAG) == f"{outcome}:{entry.id}":
            return Intent(entry, outcome)
    # Outcomes were not recorded before entries were numbered.
    return Intent(entry, "done" if entry.number is None else "open")
