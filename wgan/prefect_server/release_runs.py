"""Runs of the flow `release`, which take versions from the gate to production: started, found waiting, and woken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

from wgan.prefect_server.client import Answer, PrefectServer, Rejected
from wgan.prefect_server.deployments import Created
from wgan.prefect_server.names import RELEASE, TAG
from wgan.prefect_server.on_demand import OnDemand, put_if_changed
from wgan.prefect_server.work_pool import ensure_work_pool
from wgan.records import LedgerEntry

DEPLOYMENT = OnDemand(
    RELEASE, RELEASE, "Takes a version that passed the gate to production. The pipeline starts these runs."
)
NO_ANSWER = {"decision": "refuse", "name": "nobody", "reason": "The wait ended without a decision."}
"""What a waiting run is woken with if nobody decided; it reads from the ledger and the clock what happened."""


class _Waiting(Answer):
    id: str
    name: str
    parameters: dict[str, Any]


def start_release(server: PrefectServer, entry: LedgerEntry, approve_by: datetime | None, work_pool: str) -> str:
    """Have a worker take the version of an entry `passed` further; returns the flow run's id, the same if repeated.

    `approve_by` is when a wait for approval ends; None: it needs none.
    """
    ensure_work_pool(server, work_pool)
    deployment, _ = put_if_changed(server, DEPLOYMENT, work_pool)
    return server.ask(
        Created,
        "POST",
        f"deployments/{deployment}/create_flow_run",
        name=f"{entry.model_name} version {entry.to_version}",
        state={"type": "SCHEDULED", "name": "Scheduled"},
        parameters={
            "model_name": entry.model_name,
            "version": entry.to_version,
            "approve_by": approve_by.isoformat() if approve_by else None,
        },
        idempotency_key=f"{RELEASE} {entry.id}",
        tags=[TAG, f"model:{entry.model_name}"],
    ).id


def answer_release(server: PrefectServer, entry: LedgerEntry) -> None:
    """Let the run that waits for a person go on, once the ledger has what the person decided."""
    answer = {
        "decision": "approve" if entry.action == "approved" else "refuse",
        "name": entry.actor or "nobody",
        "reason": entry.reason,
    }
    for run in list(_waiting(server)):
        if (run.parameters.get("model_name"), run.parameters.get("version")) == (entry.model_name, entry.to_version):
            _wake(server, run, answer)


def wake_releases(server: PrefectServer, model: str, but: int | None = None) -> None:
    """Let the waiting runs of the model go on, except those of the version `but`.

    Each then reads from the ledger whether its version still waits.
    """
    for run in list(_waiting(server)):
        if run.parameters.get("model_name") == model and run.parameters.get("version") != but:
            _wake(server, run)


def end_expired_waits(server: PrefectServer, now: datetime) -> list[str]:
    """Let the runs whose time limit is over go on; returns their names."""
    ended = [run for run in list(_waiting(server)) if _has_expired(run, now)]
    for run in ended:
        _wake(server, run)
    return [run.name for run in ended]


def _waiting(server: PrefectServer) -> Iterator[_Waiting]:
    return server.pages(
        _Waiting,
        "flow_runs/filter",
        flows={"name": {"any_": [RELEASE]}},
        flow_runs={"state": {"type": {"any_": ["PAUSED"]}}},
    )


def _wake(server: PrefectServer, run: _Waiting, answer: dict[str, str] = NO_ANSWER) -> None:
    with suppress(Rejected):  # somebody else has just woken it
        server.send("POST", f"flow_runs/{run.id}/resume", run_input=answer)


def _has_expired(run: _Waiting, now: datetime) -> bool:
    try:
        return datetime.fromisoformat(str(run.parameters.get("approve_by"))) < now
    except (ValueError, TypeError):  # it has none, or somebody edited it
        return False
