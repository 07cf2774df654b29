"""The Prefect event of a new ledger entry: the server's UI shows it, workers forward it to webhooks."""

from __future__ import annotations

from typing import Any

from wgan.records import LedgerEntry

PROMOTED = "wgan.model.promoted"
REFUSED = "wgan.model.refused"
ROLLED_BACK = "wgan.model.rolled-back"


def ledger_event(entry: LedgerEntry) -> dict[str, Any]:
    """The event of an entry: its name, the model as its resource, and what happened."""
    return {
        "event": f"wgan.model.{entry.action}",
        "resource": {
            "prefect.resource.id": f"wgan.model.{entry.model_name}",
            "prefect.resource.name": entry.model_name,
        },
        "payload": {
            "what": f"{entry.model_name} version {entry.to_version}",
            "action": entry.action,
            "reason": entry.reason,
            "from_version": entry.from_version,
            "to_version": entry.to_version,
            "flow_run_id": entry.flow_run_id,
            "entry": entry.id,
        },
    }
