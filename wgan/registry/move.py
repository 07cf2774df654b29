"""One move of a model's aliases and its ledger entry; each write checks that its premises still hold.

MLflow's aliases have no conditional writes, nor does every object store. So each write is preceded and followed by a
check: a process that stalled between check and write notices afterwards and reverts its write.
"""

from __future__ import annotations

from dataclasses import replace

from wgan.errors import Overtaken
from wgan.records import LedgerEntry
from wgan.registry import ledger
from wgan.registry.aliases import CHAMPION, set_alias
from wgan.registry.history import History, ModelStores, read_history
from wgan.registry.intent import announce, close
from wgan.registry.ledger_replay import latest_move, moves_champion
from wgan.registry.reconciliation import finish, move_previous, revert

WRITES = 3
"""How often to set the champion if an operation that was overtaken overwrites it at the same moment."""


class Contended(Exception):
    """Another operation started at the same moment, so this one withdrew without a trace."""


def make_move(stores: ModelStores, history: History, entry: LedgerEntry) -> None:
    """Carry out a decision made from the history. Raises `Contended`, or `Overtaken` if it no longer holds."""
    stores = replace(stores, version=entry.to_version)
    announce(stores.models, entry)
    now = _checked(stores, history, entry)
    if [other for other in now.under_way if other.id != entry.id]:
        close(stores.models, entry, "void")
        raise Contended
    if moves_champion(entry):
        now = _champion_made(stores, history, entry)
    _record(stores, now, entry)
    finish(stores, entry)


def _champion_made(stores: ModelStores, history: History, entry: LedgerEntry) -> History:
    """Set `previous` and `champion`; returns the history that confirms it."""
    move_previous(stores, history, [entry])
    now = _checked(stores, history, entry)
    for _ in range(WRITES):
        set_alias(stores.models, stores.model, CHAMPION, entry.to_version)
        now = _checked(stores, history, entry, now)
        if now.champion == entry.to_version:
            move_previous(stores, replace(now, ledger=history.ledger), [entry])
            return now
    raise _overtaken(stores, entry)


def _checked(stores: ModelStores, decided: History, entry: LedgerEntry, known: History | None = None) -> History:
    """The history now. Raises `Overtaken` unless the ledger, the champion and the announcement are unchanged."""
    now = read_history(stores, known or decided)
    intent = now.intents.get(entry.to_version)
    announced = intent is not None and intent.entry.id == entry.id and intent.outcome == "open"
    as_decided = now.champion in (decided.champion, entry.to_version) or now.wrote_late(now.champion)
    if announced and now.ledger.last_id == decided.ledger.last_id and as_decided:
        return now
    raise _overtaken(stores, entry, announced)


def _record(stores: ModelStores, known: History, entry: LedgerEntry) -> None:
    """Append the entry; withdraw it and raise `Overtaken` if another one has its number or came after it."""
    key = ledger.entry_key(entry, stores.settings)
    if not stores.storage.exists(key):  # else another operation considered this one dead and wrote it
        ledger.append(entry, stores.storage, stores.settings)
    now = read_history(stores, known)
    if any(other.number == entry.number and other.id != entry.id for other in now.ledger.found.values()):
        stores.storage.delete(key)
    elif now.ledger.last_id == entry.id:
        return
    raise _overtaken(stores, entry)


def _overtaken(stores: ModelStores, entry: LedgerEntry, announced: bool = True) -> Overtaken:
    """Revert late writes, and report what happened."""
    if announced:
        close(stores.models, entry, "void")
    now = revert(stores, entry)
    intent = now.intents.get(entry.to_version)
    if intent is not None and intent.entry.id == entry.id and entry.id not in now.written:
        close(stores.models, entry, "undone")
    last = latest_move(now.entries)
    words = {"rolled-back": "the rollback to", "refused": "the refusal of", "withdrawn": "the withdrawal of"}
    what = words.get(entry.action, "the promotion of")
    champion = "no version" if now.champion is None else f"version {now.champion}"
    reason = f" ({last.action}: {last.reason.rstrip('.')})" if last is not None else ""
    return Overtaken(
        f"{what} version {entry.to_version} of {stores.model} was delayed, and another operation came first: "
        f"the champion is now {champion}{reason}; check it, and decide again."
    )
