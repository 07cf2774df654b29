"""Events about a model, sent to the Prefect server."""

from __future__ import annotations

from prefect.events import emit_event

from wgan.records import LedgerEntry
from wgan.registry.ledger_event import ledger_event


def emit_ledger_event(entry: LedgerEntry) -> None:
    """Emit the event of a ledger entry."""
    emit_event(**ledger_event(entry))
