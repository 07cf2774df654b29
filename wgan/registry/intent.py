"""Records what a promotion or rollback is about to do, as two tags on the version, before it acts.

The first holds the ledger entry it is going to write, the second the outcome. A crash therefore cannot lose why an
alias moved, two operations that start at once see each other, and one that was considered dead notices before it
writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from wgan.mlflow_api.models import Models
from wgan.records import LedgerEntry

INTENT_TAG = "promotion"
"""JSON of the ledger entry that the version's last promotion, refusal or rollback is writing, or has written."""
OUTCOME_TAG = "promotion.outcome"
"""`done:<id>`: fully written; `void:<id>`: it was overtaken; `undone:<id>`: its late write was reverted."""

Outcome = Literal["open", "done", "void", "undone"]


@dataclass(frozen=True)
class Intent:
    """A version's last intent."""

    entry: LedgerEntry
    outcome: Outcome


def announce(models: Models, entry: LedgerEntry) -> None:
    """Record on the version what is about to happen."""
    models.tag_version(entry.model_name, entry.to_version, INTENT_TAG, entry.model_dump_json())


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
