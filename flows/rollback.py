"""Rollback from Prefect's page; `wgan rollback` does the same without waiting for a worker."""

from __future__ import annotations

from prefect import flow

from flows.endings import completed, named_endings
from tasks.registry import roll_back
from wgan.records import LedgerEntry


@flow(name="rollback", flow_run_name="{model_name}", persist_result=True)
@named_endings()
def rollback(
    model_name: str,
    to: int | None = None,
    reason: str = "rolled back from Prefect's page",
    actor: str | None = None,
) -> LedgerEntry:
    """Make the previous champion, or another version, the champion again.

    Args:
        model_name: Registered model, e.g. generator-digits.
        to: Version to serve again; empty: the previous champion.
        reason: Why, for the ledger.
        actor: Who asks for it, for the ledger.
    """
    entry = roll_back(model_name, to, reason, actor)
    return completed(
        f"Rolled back: {model_name} version {entry.to_version} is the champion again. {reason}",
        entry,
        named=f"back to version {entry.to_version}",
    )
