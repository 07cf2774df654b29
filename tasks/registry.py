"""Registry: reads versions, moves aliases, writes ledger entries; nothing here needs torch."""

from __future__ import annotations

from prefect import runtime
from prefect.artifacts import create_markdown_artifact
from prefect.logging import get_run_logger

from tasks.connections import connect
from tasks.events import emit_ledger_event
from tasks.retrying import retried_task
from wgan.config import RetrainConfig
from wgan.config_promotion import PromotionConfig
from wgan.model_version.way import approve_by
from wgan.prefect_server.client import PrefectServer
from wgan.prefect_server.release_runs import start_release, wake_releases
from wgan.records import GateDecision, LedgerEntry, ModelVersionRef, ReleasePlan
from wgan.registry import preconditions, promotion
from wgan.registry.outside import notice_outside_move
from wgan.registry.versions import load_configuration, load_version
from wgan.settings import Settings
from wgan.storage import Storage
from wgan.telemetry import span
from wgan.tracking.names import name_judged_runs


@retried_task("check champion")
def require_comparable(config: RetrainConfig) -> int | None:
    """The champion that the training will be compared with; fails early if they cannot be compared.

    The same holds for the version that the training will start from.
    """
    settings, storage = connect()
    record_outside_move(config.model_name, settings, storage)
    preconditions.version_to_start_from(config, settings)
    return preconditions.require_comparable(config, settings)


def record_outside_move(model_name: str, settings: Settings, storage: Storage) -> None:
    """Record a champion that was moved outside this pipeline, or put it back, with its events."""
    entries = notice_outside_move(model_name, settings, storage)
    for entry in entries:
        get_run_logger().warning("%s version %s: %s", model_name, entry.to_version, entry.reason)
        emit_ledger_event(entry)
    if entries:
        with PrefectServer(settings) as server:
            wake_releases(server, model_name)


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
    rules: PromotionConfig | None = None,
) -> LedgerEntry:
    """Make the version the champion if the gate passes or it is forced, and write the ledger either way.

    If the rules ask for more than the gate, a version that passes becomes the challenger instead, and a run that takes
    it the rest of the way is created.
    """
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
            plan=ReleasePlan.of(rules) if rules is not None else promotion.DIRECT,
        )
        traced.note(action=entry.action)
    emit_ledger_event(entry)
    name_judged_runs(entry, settings)
    with PrefectServer(settings) as server:
        if entry.action == "passed":
            run_id = start_release(server, entry, approve_by(entry), settings.work_pool)
            get_run_logger().info("A worker takes it further: %s/runs/flow-run/%s", settings.prefect_page, run_id)
            wake_releases(server, entry.model_name, but=entry.to_version)
        elif entry.action == "promoted":
            wake_releases(server, entry.model_name)
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
    with PrefectServer(settings) as server:
        wake_releases(server, model_name)
    create_markdown_artifact(
        markdown=f"# {model_name}: version {entry.to_version} is the champion again\n\n| | |\n|---|---|\n"
        f"| Champion before | version {entry.from_version} |\n| Why | {reason} |\n| Who | {actor or 'not said'} |\n"
        f"| Ledger entry | `{entry.id}` |\n",
        key="rollback-report",
        description=model_name,
    )
    return entry
