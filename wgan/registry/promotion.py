"""Promotion and rollback: one champion per model, moved in an order that survives a crash or a pause at any point.

Both announce the move on the version, set the alias `previous`, then `champion`, then write the ledger; and before each
write they check that their premises still hold. If a process died in between, the next operation finds that the
champion is not the one of the ledger's last entry and first writes the missing entry as `reconciled`. A process that
stalled finds that it was overtaken, reverts its late writes, and reports it. docs/promotion.md describes what can be
guaranteed without conditional writes, and what cannot.
"""

from __future__ import annotations

from typing import Literal

from wgan.errors import Overtaken, UsageError
from wgan.records import Action, GateDecision, LedgerEntry, ModelVersionRef, ReleasePlan
from wgan.registry.client import newest_numbers, registry, require_model, require_version
from wgan.registry.history import History, ModelStores
from wgan.registry.judgement import tag_judgement
from wgan.registry.ledger_replay import latest_move
from wgan.registry.operation import carried_out, named, new_entry
from wgan.registry.release import withdraw_challenger
from wgan.settings import Settings
from wgan.storage import Storage

DIRECT = ReleasePlan()
"""A version that passes the gate is promoted at once."""


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
    plan: ReleasePlan = DIRECT,
) -> LedgerEntry:
    """Make a version the champion if the gate, or `force` with a reason, says so; else record the refusal.

    If the plan is not direct, a version that passes the gate becomes the challenger instead. A version that was on its
    way is then withdrawn.

    `expected_champion` is the champion the decision was measured against. A repeated call of the same flow run returns
    the entry it wrote before, as a promotion even if it was reconciled after a crash. Raises `UsageError` if the
    version does not exist, is already the champion, has no decision, or is forced without a reason; `WganError` if the
    champion has changed.
    """
    model, number = (version.model_name, version.version) if isinstance(version, ModelVersionRef) else version
    if force and not (reason and reason.strip()):
        raise UsageError(f"promoting version {number} of {model} regardless of the gate needs a reason: --reason TEXT.")
    passed = decision is not None and decision.promote
    action: Action = "refused"
    if passed or force:
        action = "promoted" if force or plan.is_direct else "passed"
    if decision is None and not force:
        raise UsageError(f"version {number} of {model} has no gate decision: measure it, or force it with a reason.")
    with registry(settings) as models:
        require_version(models, model, number)
        stores = ModelStores(models, model, settings, storage, number)

        def entry_from(history: History) -> LedgerEntry:
            if history.champion == number:
                raise UsageError(f"version {number} of {model} is already the champion; nothing was done.")
            if history.champion != expected_champion:
                raise Overtaken(
                    f"the champion of {model} is now {named(history.champion)}, but version {number} was measured "
                    f"against {named(expected_champion)}: measure it again."
                )
            return new_entry(
                history,
                model,
                number,
                action,
                reason=reason or (decision.reason if decision else ""),
                forced=force and not passed,
                decision=decision,
                plan=plan if action == "passed" else None,
                flow_run_id=flow_run_id,
                actor=actor,
            )

        if action == "passed":
            withdraw_challenger(stores, f"Version {number} passed the gate and replaces it.", but=number)
        entry = carried_out(stores, entry_from, flow_run_id, (action, "refused", "reconciled"))
        tag_judgement(models, entry)
        if action == "promoted":
            withdraw_challenger(stores, f"Version {number} was promoted meanwhile.")
        return _as_begun(entry, "promoted")


def rollback(
    model: str,
    to: int | None,
    settings: Settings,
    storage: Storage,
    *,
    reason: str,
    flow_run_id: str | None = None,
    actor: str | None = None,
    undoing: LedgerEntry | None = None,
) -> LedgerEntry:
    """Make an earlier version the champion again: `to`, or the one under the alias `previous`.

    `previous` is then the champion before that one, so that a second rollback goes back one more. A repeated call of
    the same flow run returns the entry it wrote before, as a rollback even if it was reconciled after a crash. Raises
    `UsageError` listing the existing versions if `to` is none of them, is already the champion, or there is nothing to
    go back to; `Overtaken` if the champion is not the one that `undoing` set.
    """
    with registry(settings) as models:
        if to is None:
            require_model(models, model)
        else:
            require_version(models, model, to)

        def entry_from(history: History) -> LedgerEntry:
            last = latest_move(history.entries)
            if undoing is not None and (last is None or last.id != undoing.id):
                raise Overtaken(
                    f"version {undoing.to_version} of {model} is not rolled back: the champion is "
                    f"now {named(history.champion)}."
                )
            target = history.previous if to is None else to
            if target is None:
                numbers = newest_numbers(models, model) or "none"
                raise UsageError(
                    f"{model} has no previous champion to go back to; name a version with --to (there are: {numbers})."
                )
            if target == history.champion:
                raise UsageError(f"version {target} of {model} is already the champion; nothing was done.")
            return new_entry(history, model, target, "rolled-back", reason=reason, flow_run_id=flow_run_id, actor=actor)

        stores = ModelStores(models, model, settings, storage, to)
        entry = carried_out(stores, entry_from, flow_run_id, ("rolled-back", "reconciled"))
        withdraw_challenger(stores, f"The champion was rolled back to version {entry.to_version}.")
        return _as_begun(entry, "rolled-back")


def _as_begun(written: LedgerEntry, action: Literal["promoted", "rolled-back"]) -> LedgerEntry:
    """The flow run's own action: it continues undisturbed, even if the ledger says `reconciled`."""
    return written.model_copy(update={"action": action}) if written.action == "reconciled" else written
