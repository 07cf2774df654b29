"""Release: the steps of a version from the gate to production, each with its ledger entry and its event."""

from __future__ import annotations

from datetime import UTC, datetime

from prefect import runtime
from prefect.artifacts import create_markdown_artifact
from prefect.logging import get_run_logger

from tasks.approval import Approval, question
from tasks.connections import connect
from tasks.events import emit_ledger_event
from tasks.retrying import retried_task
from wgan.config_promotion import CanaryConfig
from wgan.errors import Overtaken, UsageError
from wgan.model_version.way import approve_by, watch_until
from wgan.records import CanaryEnd, CanaryFigures, LedgerEntry, WatchEnd
from wgan.registry import release
from wgan.registry.aliases import model_aliases
from wgan.registry.ledger_replay import ON_THE_WAY
from wgan.registry.promotion import rollback
from wgan.steps import watch_canary as canary
from wgan.steps import watch_champion as watch
from wgan.steps.serving_reading import forget_observation
from wgan.tracking.names import name_judged_runs


@retried_task("find standing", repeatable=True)
def find_standing(model_name: str, version: int) -> LedgerEntry:
    """The version's last ledger entry; the version is withdrawn first if it cannot go on.

    Raises `UsageError` if the version never passed the gate.
    """
    settings, storage = connect()
    entry = release.standing(model_name, version, settings, storage)
    if entry is None:
        raise UsageError(
            f"{model_name} version {version} did not pass the gate: `wgan promote {model_name} {version}`."
        )
    if not is_on_its_way(entry):
        return entry
    reason = release.reason_to_withdraw(entry, model_aliases(model_name, settings))
    return entry if reason is None else _record(entry, "withdrawn", reason)


@retried_task("ask for approval", repeatable=True)
def publish_question(entry: LedgerEntry) -> None:
    """What is to be decided, as an artifact on the run's page."""
    settings, _ = connect()
    create_markdown_artifact(
        markdown=question(entry, settings),
        key="approval",
        description=f"{entry.model_name} version {entry.to_version} waits for approval",
    )


@retried_task("record decision")
def record_decision(entry: LedgerEntry, answer: Approval) -> LedgerEntry:
    """Write a person's decision to the ledger."""
    action: release.Step = "approved" if answer.decision == "approve" else "refused"
    return _record(entry, action, answer.reason, answer.name)


@retried_task("end wait")
def end_wait(entry: LedgerEntry) -> LedgerEntry:
    """Refuse a version that nobody approved in time."""
    assert entry.plan is not None
    return _record(entry, "refused", f"Nobody approved it within {entry.plan.approval_hours:g} hours.")


@retried_task("begin canary")
def begin_canary(entry: LedgerEntry) -> LedgerEntry:
    """Let serving send a share of the requests to the challenger."""
    rules = _canary(entry)
    reason = f"It draws {rules.percent:g} % of the requests for {rules.minutes:g} to {rules.longest_minutes:g} minutes."
    return _record(entry, "canary", reason)


@retried_task("watch canary")
def watch_canary(entry: LedgerEntry) -> CanaryEnd:
    """Wait for the end of the canary."""
    settings, storage = connect()
    logger = get_run_logger()
    end = canary.watch_canary(entry, settings, storage)
    logger.info("The canary ends: %s. %s", end.outcome, end.reason)
    return end


@retried_task("settle canary")
def settle_canary(entry: LedgerEntry, end: CanaryEnd) -> LedgerEntry:
    """Refuse or withdraw the version, with the figures; its last entry stays if it is to be promoted."""
    settings, storage = connect()
    begun = entry
    if end.outcome == "changed":
        now = release.standing(entry.model_name, entry.to_version, settings, storage) or entry
        entry = _record(now, "withdrawn", end.reason) if is_on_its_way(now) else now
    elif end.outcome == "worse" or (end.outcome == "undecided" and _canary(entry).undecided == "refuse"):
        entry = _record(entry, "refused", f"The canary was {end.outcome}. {end.reason}", figures=end.figures)
    forget_observation(begun, settings, storage)
    return entry


@retried_task("promote challenger")
def promote_challenger(entry: LedgerEntry, end: CanaryEnd | None = None) -> LedgerEntry:
    """Make the challenger the champion; withdraw it if the champion has changed since it was measured."""
    settings, storage = connect()
    before = watch.count_before(entry, settings)
    try:
        promotion = release.promote_challenger(
            entry.model_name,
            entry.to_version,
            settings,
            storage,
            flow_run_id=str(runtime.flow_run.id),
            reason=f"The canary was {end.outcome}. {end.reason}" if end else None,
            figures=end.figures if end else None,
        )
    except Overtaken as error:
        return _record(entry, "withdrawn", str(error))
    if before is not None:
        watch.begin_watch(promotion, before, settings, storage)
    emit_ledger_event(promotion)
    name_judged_runs(promotion, settings)
    return promotion


@retried_task("watch champion")
def watch_champion(promotion: LedgerEntry) -> WatchEnd:
    """Wait for the end of the time after the promotion, or for a fault of the version."""
    settings, storage = connect()
    end = watch.watch_champion(promotion, settings, storage)
    get_run_logger().info("The watch ends: %s. %s", end.outcome, end.reason)
    return end


@retried_task("settle watch")
def settle_watch(promotion: LedgerEntry, end: WatchEnd) -> LedgerEntry:
    """Roll the promotion back after a fault; otherwise record that nothing was wrong."""
    settings, storage = connect()
    flow_run_id = str(runtime.flow_run.id)
    try:
        if end.outcome == "fault" and promotion.from_version is not None:
            entry = rollback(
                promotion.model_name, promotion.from_version, settings, storage,
                reason=end.reason, flow_run_id=flow_run_id, actor="watch", undoing=promotion,
            )  # fmt: skip
        elif end.outcome == "kept":
            entry = release.record_kept(promotion, settings, storage, reason=end.reason, flow_run_id=flow_run_id)
        else:
            get_run_logger().warning("The promotion stays: %s", end.reason)
            return promotion
    except Overtaken as error:
        get_run_logger().warning("%s", error)
        return promotion
    emit_ledger_event(entry)
    name_judged_runs(entry, settings)
    return entry


def is_watched(entry: LedgerEntry) -> bool:
    """Whether a fault of the version is to roll its promotion back."""
    return watch_until(entry) is not None


def is_on_its_way(entry: LedgerEntry) -> bool:
    """Whether the version is the challenger."""
    return entry.action in ON_THE_WAY


def is_promoted_here(entry: LedgerEntry) -> bool:
    """Whether this flow run promoted the version, before its process died."""
    return entry.action in ("promoted", "reconciled") and entry.flow_run_id == str(runtime.flow_run.id)


def has_canary(entry: LedgerEntry) -> bool:
    """Whether the version is to be compared with the champion in a canary first, or is in it."""
    wanted = entry.plan is not None and entry.plan.canary is not None and entry.from_version is not None
    return is_on_its_way(entry) and wanted


def waits_for_approval(entry: LedgerEntry) -> bool:
    """Whether a person must decide before the version goes on."""
    return approve_by(entry) is not None


def has_expired(entry: LedgerEntry) -> bool:
    """Whether the time limit of the approval is over."""
    until = approve_by(entry)
    return until is not None and until < datetime.now(UTC)


def _canary(entry: LedgerEntry) -> CanaryConfig:
    assert entry.plan is not None
    assert entry.plan.canary is not None
    return entry.plan.canary


def _record(
    entry: LedgerEntry,
    action: release.Step,
    reason: str,
    actor: str | None = None,
    figures: CanaryFigures | None = None,
) -> LedgerEntry:
    settings, storage = connect()
    written = release.record_step(
        entry.model_name,
        entry.to_version,
        action,
        settings,
        storage,
        reason=reason,
        flow_run_id=str(runtime.flow_run.id),
        actor=actor,
        figures=figures,
    )
    emit_ledger_event(written)
    name_judged_runs(written, settings)
    return written
