"""Promotion and rollback: one champion per model, moved in an order that survives a crash at any point.

Both announce the move on the version, set the alias `previous`, then `champion`, then write the ledger. Where a process
died in between, the next operation finds that the champion is not the one of the ledger's last entry and writes the
missing entry, as `reconciled`, first. The caller sees to it that no two operations on one model run at once.
"""

from __future__ import annotations

from typing import Literal

from mlflow import MlflowClient

from wgan.errors import UsageError, WganError
from wgan.records import GateDecision, LedgerEntry, ModelVersionRef
from wgan.registry import ledger
from wgan.registry.aliases import CHALLENGER, CHAMPION, set_alias
from wgan.registry.client import registry, require_model, require_version
from wgan.registry.history import History, announce, move_previous, reconciled_history, tag_outcome
from wgan.registry.judgement import tag_judgement
from wgan.settings import Settings
from wgan.storage import Storage


def promote(
    version: ModelVersionRef | tuple[str, int],
    decision: GateDecision | None,
    settings: Settings,
    storage: Storage,
    *,
    force: bool = False,
    reason: str | None = None,
    flow_run_id: str | None = None,
    expected_champion: int | None,
    actor: str | None = None,
) -> LedgerEntry:
    """Make a version the champion if the gate says so, or `force` with a reason does; else make it the challenger.

    `expected_champion` is the champion the decision was measured against. A repeated call of the same flow run gives
    the entry it wrote before, as a promotion where a crash left it to be reconciled. Raises `UsageError` when the
    version does not exist, is the champion already, has no decision, or is forced without a reason; `WganError` when
    the champion is another by now.
    """
    model, number = (version.model_name, version.version) if isinstance(version, ModelVersionRef) else version
    if force and not (reason and reason.strip()):
        raise UsageError(f"promoting version {number} of {model} whatever the gate says needs a reason: --reason TEXT.")
    passed = decision is not None and decision.promote
    if decision is None and not force:
        raise UsageError(
            f"version {number} of {model} has no decision of the gate: measure it, or force it with a reason."
        )
    with registry(settings) as client:
        require_version(client, model, number)
        history = reconciled_history(client, model, settings, storage)
        if (written := history.written_by(flow_run_id, number)) is not None:
            tag_outcome(client, written)
            tag_judgement(client, written, history.versions)
            return _as_begun(written, "promoted")
        if history.champion == number:
            raise UsageError(f"version {number} of {model} is the champion already; nothing was done.")
        if history.champion != expected_champion:
            raise WganError(
                f"the champion of {model} is {_named(history.champion)} by now, but version {number} was measured "
                f"against {_named(expected_champion)}: measure it again."
            )
        entry = _entry(
            history,
            model,
            number,
            "promoted" if passed or force else "refused",
            reason=reason or (decision.reason if decision else ""),
            forced=force and not passed,
            decision=decision,
            flow_run_id=flow_run_id,
            actor=actor,
        )
        if entry.action == "refused":
            set_alias(client, model, CHALLENGER, number)
            ledger.append(entry, storage, settings)
            tag_outcome(client, entry)
        else:
            _make_champion(client, history, entry, settings, storage)
        tag_judgement(client, entry, history.versions)
        return entry


def rollback(
    model: str,
    to: int | None,
    settings: Settings,
    storage: Storage,
    *,
    reason: str,
    flow_run_id: str | None = None,
    actor: str | None = None,
) -> LedgerEntry:
    """Make an earlier version the champion again: `to`, or the one under the alias `previous`.

    `previous` is then the champion before that one, so that a second rollback goes one further back. A repeated call
    of the same flow run gives the entry it wrote before, as a rollback where a crash left it to be reconciled. Raises
    `UsageError` naming the versions there are when `to` is none of them, is the champion already, or there is nothing
    to go back to.
    """
    with registry(settings) as client:
        if to is None:
            require_model(client, model)
        else:
            require_version(client, model, to)
        history = reconciled_history(client, model, settings, storage)
        if (written := history.written_by(flow_run_id, to)) is not None:
            tag_outcome(client, written)
            return _as_begun(written, "rolled-back")
        target = history.previous if to is None else to
        if target is None:
            numbers = ", ".join(map(str, sorted(history.versions))) or "none"
            raise UsageError(
                f"{model} has no previous champion to go back to; name a version with --to (there are: {numbers})."
            )
        if target == history.champion:
            raise UsageError(f"version {target} of {model} is the champion already; nothing was done.")
        entry = _entry(history, model, target, "rolled-back", reason=reason, flow_run_id=flow_run_id, actor=actor)
        _make_champion(client, history, entry, settings, storage)
        return entry


def _as_begun(written: LedgerEntry, action: Literal["promoted", "rolled-back"]) -> LedgerEntry:
    """What the flow run did: it goes on as if nobody had disturbed it, though the ledger says it was reconciled."""
    return written.model_copy(update={"action": action}) if written.action == "reconciled" else written


def _make_champion(
    client: MlflowClient, history: History, entry: LedgerEntry, settings: Settings, storage: Storage
) -> None:
    model, version = entry.model_name, entry.to_version
    announce(client, entry)
    move_previous(client, model, [*history.entries, entry], history.aliases, history.versions)
    set_alias(client, model, CHAMPION, version)
    ledger.append(entry, storage, settings)
    if history.aliases.get(CHALLENGER) == version:
        set_alias(client, model, CHALLENGER, None)
    tag_outcome(client, entry)


def _entry(
    history: History,
    model: str,
    version: int,
    action: Literal["promoted", "refused", "rolled-back"],
    *,
    reason: str,
    forced: bool = False,
    decision: GateDecision | None = None,
    flow_run_id: str | None,
    actor: str | None,
) -> LedgerEntry:
    return LedgerEntry(
        id=ledger.new_id(),
        model_name=model,
        action=action,
        time=ledger.next_time(history.entries),
        from_version=history.champion,
        to_version=version,
        forced=forced,
        reason=reason,
        decision=decision,
        flow_run_id=flow_run_id,
        actor=actor,
    )


def _named(champion: int | None) -> str:
    return "no version" if champion is None else f"version {champion}"
