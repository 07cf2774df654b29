"""Notices a champion that was moved outside this pipeline, as on MLflow's page, and records it or puts it back."""

from __future__ import annotations

from wgan.errors import Overtaken
from wgan.records import LedgerEntry
from wgan.registry.client import registry
from wgan.registry.history import ModelStores, read_history
from wgan.registry.ledger_replay import latest_move
from wgan.registry.promotion import rollback
from wgan.registry.reconciliation import reconciled_history
from wgan.registry.release import withdraw_challenger
from wgan.settings import Settings
from wgan.storage import Storage


def notice_outside_move(model: str, settings: Settings, storage: Storage) -> tuple[LedgerEntry, ...]:
    """Record a move of the champion that the ledger does not have; with `outside_moves: revert`, put the alias back.

    A version on its way was compared with the champion before, so it is withdrawn.
    Returns the entries written, oldest first; none if alias and ledger agree. A model without a champion is left alone,
    and so is one whose ledger has no champion to go back to. Raises `WganError`.
    """
    with registry(settings) as models:
        stores = ModelStores(models, model, settings, storage)
        history = read_history(stores)
        before = latest_move(history.entries)
        if history.champion is None or (before is not None and before.to_version == history.champion):
            return ()
        moved = latest_move(reconciled_history(stores).entries)
        if moved is not None and moved.action == "moved-outside":
            withdraw_challenger(stores, f"The champion was moved to version {moved.to_version} outside this pipeline.")
    if moved is None or moved.action != "moved-outside" or moved == before:
        return ()
    if settings.outside_moves == "keep" or moved.from_version is None:
        return (moved,)
    reason = f"The alias champion was moved to version {moved.to_version} outside this pipeline, and is put back."
    try:
        back = rollback(
            model, moved.from_version, settings, storage, reason=reason, actor="housekeeping", undoing=moved
        )
    except Overtaken:  # somebody has moved it again
        return (moved,)
    return moved, back
