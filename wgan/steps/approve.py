"""A person's decision about a version that passed the gate, from the command line; the Prefect server shows its run."""

from __future__ import annotations

from typing import Literal

from wgan.prefect_server.automations import ensure_automations
from wgan.prefect_server.client import PrefectServer
from wgan.prefect_server.recorded_run import recorded_run
from wgan.prefect_server.release_runs import answer_release
from wgan.records import LedgerEntry
from wgan.registry.ledger_event import ledger_event
from wgan.registry.release import record_step
from wgan.settings import Settings
from wgan.storage import Storage
from wgan.tracking.names import name_judged_runs

FLOWS = {"approved": "approve", "refused": "refuse"}


def decide(
    model: str,
    version: int,
    action: Literal["approved", "refused"],
    settings: Settings,
    storage: Storage,
    *,
    reason: str,
    actor: str,
) -> LedgerEntry:
    """Record the decision, then let the run that waits for it go on.

    Raises as `wgan.registry.release.record_step` does, and `WganError` if the Prefect server does not answer.
    """
    parameters = {"model_name": model, "version": version, "reason": reason, "actor": actor}
    with PrefectServer(settings) as server:
        ensure_automations(server, settings)  # if this process dies, the run counts as crashed
        with recorded_run(server, FLOWS[action], f"{model} version {version}", parameters) as run:
            entry = record_step(
                model, version, action, settings, storage, reason=reason, flow_run_id=run.id, actor=actor
            )
            answer_release(server, entry)
            run.ended = f"{model} version {version} is {action} by {actor}. {reason}"
            run.emit(ledger_event(entry))
    name_judged_runs(entry, settings)
    return entry
