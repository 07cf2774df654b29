"""Approval: a person decides in a form on the run's page; meanwhile the run is suspended and holds no worker."""

from __future__ import annotations

from contextlib import suppress
from typing import Literal

from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.events import emit_event
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from pydantic import Field, ValidationError

from tasks.connections import connect
from wgan.metric_text.summary import grids_markdown
from wgan.mlflow_api.models import Models
from wgan.mlflow_api.requests import Mlflow
from wgan.prefect_server.release_runs import NO_ANSWER
from wgan.records import LedgerEntry
from wgan.registry.ledger_event import waiting_event
from wgan.settings import Settings
from wgan.tracking.grids import CHALLENGER_GRID, champion_grid, grid_artifact
from wgan.tracking.run_status import artifact_url

KEY = "approval"
INPUT_PREFIX = f"suspended-{KEY}"
"""Prefect's prefix of what is given to this wait."""


class Approval(RunInput):
    """A person's decision."""

    decision: Literal["approve", "refuse"] = Field(description="approve: it goes on to production.")
    name: str = Field(min_length=1, description="Who decides, for the ledger.")
    reason: str = Field(min_length=1, description="Why, for the ledger.")


def ask_for_approval(entry: LedgerEntry) -> Approval:
    """What a person decided; until then, the flow run is suspended and this call does not return.

    After the answer the run starts again, on any worker, and finds it here.
    """
    answers = _answers()
    decided = [answer for answer in answers if answer.model_dump() != NO_ANSWER]
    if decided:  # though the process that it was given to may have died since
        return decided[0]
    settings, _ = connect()
    emit_event(**waiting_event(entry, str(runtime.flow_run.id)))
    form = Approval.with_initial_data(description=question(entry, settings))
    # Each wait has a key of its own: a run that was woken without an answer waits again.
    return suspend_flow_run(wait_for_input=form, key=f"{KEY}-{len(answers)}")


def _answers() -> list[Approval]:
    """What this flow run was given so far."""
    found = []
    with get_client(sync_client=True) as client:
        filtered = client.request(
            "POST",
            "/flow_runs/{id}/input/filter",
            path_params={"id": str(runtime.flow_run.id)},
            json={"prefix": INPUT_PREFIX, "limit": 200, "exclude_keys": []},
        )
    for given in filtered.json():
        if given["key"].endswith("-response"):
            with suppress(ValidationError):
                found.append(Approval.model_validate_json(given["value"]))
    return found


def question(entry: LedgerEntry, settings: Settings) -> str:
    """The text above the form, in markdown: what is decided, the gate's reason, and both sample grids."""
    model, version = entry.model_name, entry.to_version
    beside = f"; the champion is version {entry.from_version}" if entry.from_version is not None else ""
    text = f"**{model} version {version}** passed the gate{beside}. {entry.reason}\n\n"
    with Mlflow(settings) as server:
        found = Models(server).version(model, version)
    if found is None or not found.run_id:
        return text
    sides = {"challenger": CHALLENGER_GRID}
    if entry.from_version is not None:
        sides["champion"] = champion_grid(entry.from_version)
    pictures = {side: artifact_url(settings, found.run_id, grid_artifact(name)) for side, name in sides.items()}
    return text + grids_markdown(pictures)
