"""A fast manual rollback; the Prefect server shows its run.

It imports neither Prefect, MLflow nor torch, which take seconds, and works where torch is not installed.
"""

from __future__ import annotations

from wgan.prefect_server.automations import ensure_automations
from wgan.prefect_server.client import PrefectServer
from wgan.prefect_server.recorded_run import recorded_run
from wgan.prefect_server.release_runs import wake_releases
from wgan.records import LedgerEntry
from wgan.registry.ledger_event import ledger_event
from wgan.registry.promotion import rollback
from wgan.settings import Settings
from wgan.storage import Storage
from wgan.tracking.names import name_judged_runs

FLOW = "rollback"


def roll_back(
    model: str, to: int | None, settings: Settings, storage: Storage, *, reason: str, actor: str | None = None
) -> LedgerEntry:
    """Make the previous champion, or the version `to`, the champion again.

    Raises as `wgan.registry.promotion.rollback` does, and `WganError` if the Prefect server does not answer.
    """
    parameters = {"model_name": model, "reason": reason, "to": to, "actor": actor}
    with PrefectServer(settings) as server:
        ensure_automations(server, settings)  # if this process dies, the run counts as crashed
        with recorded_run(server, FLOW, model, parameters) as run:
            entry = rollback(model, to, settings, storage, reason=reason, flow_run_id=run.id, actor=actor)
            run.ended = f"Rolled back: {model} version {entry.to_version} is the champion again. {entry.reason}"
            run.emit(ledger_event(entry))
            wake_releases(server, model)
    name_judged_runs(entry, settings)
    return entry
