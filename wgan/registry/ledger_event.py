"""The Prefect event of a new ledger entry: the server's UI shows it, workers forward it to webhooks."""

from __future__ import annotations

from typing import Any

from wgan.records import LedgerEntry

PROMOTED = "wgan.model.promoted"
REFUSED = "wgan.model.refused"
WAITS = "wgan.model.waits-for-approval"


def ledger_event(entry: LedgerEntry) -> dict[str, Any]:
    """The event of an entry: its name, the model as its resource, and what happened."""
    return _event(f"wgan.model.{entry.action}", entry, entry.action)


def waiting_event(entry: LedgerEntry, flow_run_id: str) -> dict[str, Any]:
    """The event of a version that begins to wait for approval, in the flow run whose page has the form."""
    return _event(WAITS, entry.model_copy(update={"flow_run_id": flow_run_id}), "waits for approval")


def _event(name: str, entry: LedgerEntry, state: str) -> dict[str, Any]:
    return {
        "event": name,
        "resource": {
            "prefect.resource.id": f"wgan.model.{entry.model_name}",
            "prefect.resource.name": entry.model_name,
        },
        "payload": {
            "what": f"{entry.model_name} version {entry.to_version}",
            "action": state,
            "reason": entry.reason,
            "from_version": entry.from_version,
            "to_version": entry.to_version,
            "flow_run_id": entry.flow_run_id,
            "entry": entry.id,
        },
    }
