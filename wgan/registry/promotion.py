"""Promotion and rollback: one champion per model, moved in an order that survives a crash or a pause at any point.

Both announce the move on the version, set the alias `previous`, then `champion`, then write the ledger; and before each
write they check that their premises still hold. If a process died in between, the next operation finds that the
champion is not the one of the ledger's last entry and first writes the missing entry as `reconciled`. A process that
stalled finds that it was overtaken, reverts its late writes, and reports it. docs/promotion.md describes what can be
guaranteed without conditional writes, and what cannot.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Literal

from wgan.errors import Overtaken, UsageError
from wgan.records import GateDecision, LedgerEntry, ModelVersionRef
from wgan.registry.client import newest_numbers, registry, require_model, require_version
from wgan.registry.history import History, ModelStores
from wgan.registry.judgement import tag_judgement
from wgan.registry.ledger import new_id, next_time
from wgan.registry.ledger_replay import latest_move
from wgan.registry.move import Contended, make_move
from wgan.registry.reconciliation import reconciled_history, tag_outcome
from wgan.settings import Settings
from wgan.storage import Storage

ATTEMPTS = 20
"""How often two operations that start at the same moment both withdraw."""
PAUSE_SECONDS = (0.05, 0.5)
"""Random delay before a retry, so that one comes first."""


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
    """Make a version the champion if the gate, or `force` with a reason, says so; else make it the challenger.

    `expected_champion` is the champion the decision was measured against. A repeated call of the same flow run returns
    the entry it wrote before, as a promotion even if it was reconciled after a crash. Raises `UsageError` if the
    version does not exist, is already the champion, has no decision, or is forced without a reason; `WganError` if the
    champion has changed.
    """
    model, number = (version.model_name, version.version) if isinstance(version, ModelVersionRef) else version
    if force and not (reason and reason.strip()):
        raise UsageError(f"promoting version {number} of {model} regardless of the gate needs a reason: --reason TEXT.")
    passed = decision is not None and decision.promote
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
                    f"the champion of {model} is now {_named(history.champion)}, but version {number} was measured "
                    f"against {_named(expected_champion)}: measure it again."
                )
            return _entry(
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

        entry = _carried_out(stores, entry_from, flow_run_id)
        tag_judgement(models, entry)
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
                    f"now {_named(history.champion)}."
                )
            target = history.previous if to is None else to
            if target is None:
                numbers = newest_numbers(models, model) or "none"
                raise UsageError(
                    f"{model} has no previous champion to go back to; name a version with --to (there are: {numbers})."
                )
            if target == history.champion:
                raise UsageError(f"version {target} of {model} is already the champion; nothing was done.")
            return _entry(history, model, target, "rolled-back", reason=reason, flow_run_id=flow_run_id, actor=actor)

        entry = _carried_out(ModelStores(models, model, settings, storage, to), entry_from, flow_run_id)
        return _as_begun(entry, "rolled-back")


def _carried_out(
    stores: ModelStores, entry_from: Callable[[History], LedgerEntry], flow_run_id: str | None
) -> LedgerEntry:
    """The entry decided from the history, written now or before."""
    basis = None
    for _ in range(ATTEMPTS):
        history = reconciled_history(stores, flow_run_id)
        if (written := history.written_by(flow_run_id, stores.version)) is not None:
            tag_outcome(stores.models, written)
            return written
        if basis not in (None, history.basis):
            raise Overtaken(
                f"another operation on {stores.model} came first: the champion is now {_named(history.champion)}; "
                "check it, and decide again."
            )
        basis, entry = history.basis, entry_from(history)
        try:
            make_move(stores, history, entry)
        except Contended:
            time.sleep(random.uniform(*PAUSE_SECONDS))
        else:
            return entry
    raise Overtaken(f"others keep promoting or rolling back {stores.model}: try again when they are done.")


def _as_begun(written: LedgerEntry, action: Literal["promoted", "rolled-back"]) -> LedgerEntry:
    """The flow run's own action: it continues undisturbed, even if the ledger says `reconciled`."""
    return written.model_copy(update={"action": action}) if written.action == "reconciled" else written


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
        id=new_id(),
        number=history.ledger.next_number,
        previous=history.ledger.last_id,
        model_name=model,
        action=action,
        time=next_time(history.entries),
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
