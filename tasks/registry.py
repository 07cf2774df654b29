"""Registry: reads versions, moves aliases, writes ledger entries; nothing here needs torch."""

from __future__ import annotations

from prefect import runtime
from prefect.artifacts import create_markdown_artifact

from tasks.connections import connect
from tasks.events import emit_ledger_event
from tasks.retrying import retried_task
from wgan.config import RetrainConfig
from wgan.records import GateDecision, LedgerEntry, ModelVersionRef
from wgan.registry import preconditions, promotion
from wgan.registry.versions import load_configuration, load_version
from wgan.telemetry import span
from wgan.tracking.names import name_judged_runs


@retried_task("check champion")
def require_comparable(config: RetrainConfig) -> int | None:
    """The champion that the training will be compared with; fails early if they cannot be compared.

    The same holds for the version that the training will start from.
    """
    settings, _ = connect()
    preconditions.version_to_start_from(config, settings)
    return preconditions.require_comparable(config, settings)


@retried_task("find version")
def find_version(model_name: str, version: int) -> ModelVersionRef:
    """The complete record of a registered version."""
    settings, _ = connect()
    return load_version(model_name, version, settings)


@retried_task("read configuration")
def read_configuration(version: ModelVersionRef) -> RetrainConfig:
    """The configuration of the run that made the version: its protocol and its gate."""
    settings, _ = connect()
    return load_configuration(version.model_name, version.version, settings)


@retried_task("promote generator")
def promote_generator(
    version: ModelVersionRef,
    decision: GateDecision,
    force: bool = False,
    reason: str | None = None,
    actor: str | None = None,
) -> LedgerEntry:
    """Make the version the champion if the gate passes or it is forced, and write the ledger either way."""
    settings, storage = connect()
    with span("promotion", model=version.model_name, version=version.version) as traced:
        entry = promotion.promote(
            version,
            decision,
            settings,
            storage,
            force=force,
            reason=reason,
            flow_run_id=str(runtime.flow_run.id),
            expected_champion=version.evaluation.champion_version,
            actor=actor,
        )
        traced.note(action=entry.action)
    emit_ledger_event(entry)
    name_judged_runs(entry, settings)
    return entry


@retried_task("roll back")
def roll_back(model_name: str, to: int | None, reason: str, actor: str | None) -> LedgerEntry:
    """Make the previous champion, or the version `to`, the champion again; the ledger's entry is an artifact."""
    settings, storage = connect()
    entry = promotion.rollback(
        model_name, to, settings, storage, reason=reason, flow_run_id=str(runtime.flow_run.id), actor=actor
    )
    emit_ledger_event(entry)
    name_judged_runs(entry, settings)
    create_markdown_artifact(
        markdown=f"# {model_name}: version {entry.to_version} is the champion again\n\n| | |\n|---|---|\n"
        f"| Champion before | version {entry.from_version} |\n| Why | {reason} |\n| Who | {actor or 'not said'} |\n"
        f"| Ledger entry | `{entry.id}` |\n",
        key="rollback-report",
        description=model_name,
    )
    return entry
