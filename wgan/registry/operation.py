"""One operation on a model's history: decided from the history, carried out once, repeated if others come between."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection

from wgan.errors import Overtaken
from wgan.records import Action, CanaryFigures, GateDecision, LedgerEntry, ReleasePlan
from wgan.registry.history import History, ModelStores
from wgan.registry.ledger import new_id, next_time
from wgan.registry.move import Contended, make_move
from wgan.registry.reconciliation import finish, reconciled_history

ATTEMPTS = 20
"""How often two operations that start at the same moment both withdraw."""
PAUSE_SECONDS = (0.05, 0.5)
"""Random delay before a retry, so that one comes first."""


def carried_out(
    stores: ModelStores,
    entry_from: Callable[[History], LedgerEntry],
    flow_run_id: str | None,
    actions: Collection[Action],
) -> LedgerEntry:
    """The entry decided from the history, written now; or before, by the same flow run, with one of the actions."""
    basis = None
    for _ in range(ATTEMPTS):
        history = reconciled_history(stores, flow_run_id)
        if (written := history.written_by(flow_run_id, stores.version, actions)) is not None:
            finish(stores, written)
            return written
        if basis not in (None, history.basis):
            raise Overtaken(
                f"another operation on {stores.model} came first: the champion is now {named(history.champion)}; "
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


def new_entry(
    history: History,
    model: str,
    version: int,
    action: Action,
    *,
    reason: str,
    forced: bool = False,
    decision: GateDecision | None = None,
    plan: ReleasePlan | None = None,
    figures: CanaryFigures | None = None,
    flow_run_id: str | None,
    actor: str | None,
) -> LedgerEntry:
    """The next entry of the ledger."""
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
        plan=plan,
        figures=figures,
        flow_run_id=flow_run_id,
        actor=actor,
    )


def named(champion: int | None) -> str:
    """A champion in a sentence."""
    return "no version" if champion is None else f"version {champion}"
