"""Rollback by hand. It works where torch is not installed: whoever has to undo a promotion is in a hurry."""

from __future__ import annotations

from prefect import flow

from flows.endings import named_endings, rolled_back
from tasks.registry import roll_back_model
from wgan.records import LedgerEntry


@flow(name="rollback", flow_run_name="{model_name}", persist_result=True)
@named_endings()
def rollback(model_name: str, reason: str, to: int | None = None, actor: str | None = None) -> LedgerEntry:
    """Serve the previous champion, or the given version, again."""
    return rolled_back(roll_back_model(model_name, to, reason, actor))
