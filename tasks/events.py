"""What happened to a model, told to the Prefect server: its UI shows it, automations act on it."""

from __future__ import annotations

from prefect.events import emit_event

from wgan.records import LedgerEntry

PROMOTED = "wgan.model.promoted"
REFUSED = "wgan.model.refused"
ROLLED_BACK = "wgan.model.rolled-back"
EVENTS = {"promoted": PROMOTED, "refused": REFUSED, "rolled-back": ROLLED_BACK}


def emit_ledger_event(promotion: LedgerEntry) -> None:
    """Emit the event of a ledger entry."""
    emit_event(
        event=EVENTS[promotion.action],
        resource={
            "prefect.resource.id": f"wgan.model.{promotion.model_name}",
            "prefect.resource.name": promotion.model_name,
        },
        payload={
            "what": f"{promotion.model_name} version {promotion.to_version}",
            "action": promotion.action,
            "reason": promotion.reason,
            "from_version": promotion.from_version,
            "to_version": promotion.to_version,
            "flow_run_id": promotion.flow_run_id,
            "entry": promotion.id,
        },
    )
