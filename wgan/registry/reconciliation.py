"""Makes a model's history agree with itself before the next operation.

Ledger, aliases and intents disagree if a process died or stalled between its writes, or if somebody moved an alias in
MLflow.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Collection
from dataclasses import replace

from wgan.mlflow_api.models import Models
from wgan.model_version.way import WAY_TAG, way_text
from wgan.records import LedgerEntry
from wgan.registry import ledger
from wgan.registry.aliases import CHALLENGER, CHAMPION, PREVIOUS, read_aliases, set_alias
from wgan.registry.history import History, ModelStores, read_history, rollback_target
from wgan.registry.intent import Intent, close
from wgan.registry.ledger_replay import ON_THE_WAY, latest_move, moves_champion
from wgan.registry.listing import GATE_REASON_TAG, GATE_TAG, GATE_TIME_TAG

PATIENCE_SECONDS = 5.0
"""How long an operation in progress may write nothing before the next one considers it dead."""
POLL_SECONDS = 0.2

log = logging.getLogger(__name__)


def reconciled_history(stores: ModelStores, flow_run_id: str | None = None) -> History:
    """The history with nothing in progress or left over; `previous` agrees with the ledger.

    Waits for an operation in progress and abandons it if it wrote nothing for `PATIENCE_SECONDS` (one of the same flow
    run, at once). Adds a move that is missing from the ledger, and reverts one that came too late.
    """
    history = _idle_history(stores, flow_run_id)
    for dead in history.under_way:
        if not moves_champion(dead) or history.champion != dead.to_version:
            close(stores.models, dead, "void")  # it changed nothing; if it resumes, it finds this
            log.warning("%s; it had changed nothing.", _abandoned(dead))
    for written in history.unfinished:
        finish(stores, written)
    challenger = history.standing(history.challenger) if history.challenger is not None else None
    if challenger is not None and challenger.action == "refused":  # set by hand, in MLflow
        set_alias(stores.models, stores.model, CHALLENGER, None)
    history = read_history(stores, history)
    last = latest_move(history.entries)
    if history.champion is not None and history.champion != (last.to_version if last else None):
        history = _reconciled(stores, history, last)
    target, found = rollback_target(stores, history.ledger)
    history = replace(history, ledger=found)
    if target is not None or history.previous == history.champion:
        history = replace(history, aliases=_previous_moved(stores, history.aliases, target))
    return history


def revert(stores: ModelStores, entry: LedgerEntry) -> History:
    """Revert the writes of an operation that was overtaken; returns the history afterwards.

    The champion is kept if it is not the one that operation sets: somebody else moved it.
    """
    history = _idle_history(stores)
    last = latest_move(history.entries)
    theirs = history.champion == entry.to_version and entry.id not in history.written
    if theirs and last is not None and last.to_version != entry.to_version:
        set_alias(stores.models, stores.model, CHAMPION, last.to_version)
    move_previous(stores, history)
    return read_history(stores, history)


def move_previous(stores: ModelStores, history: History, planned: Collection[LedgerEntry] = ()) -> None:
    """Set the alias `previous` to the version that a rollback returns to once the planned entries are written."""
    target, _ = rollback_target(stores, history.ledger, planned)
    _previous_moved(stores, history.aliases, target)


def finish(stores: ModelStores, entry: LedgerEntry) -> None:
    """What follows a written entry: the alias `challenger` and the version's tags. Repeating it is harmless."""
    challenger = read_aliases(stores.models, stores.model).get(CHALLENGER)
    if entry.action == "passed" and challenger != entry.to_version:
        set_alias(stores.models, stores.model, CHALLENGER, entry.to_version)
    if entry.action not in ON_THE_WAY and challenger == entry.to_version:
        set_alias(stores.models, stores.model, CHALLENGER, None)
    tag_outcome(stores.models, entry)
    close(stores.models, entry, "done")


def tag_outcome(models: Models, entry: LedgerEntry) -> None:
    """Tag the version with its outcome, when and why."""
    tags = {
        GATE_TAG: entry.action,
        GATE_REASON_TAG: entry.reason,
        GATE_TIME_TAG: entry.time.isoformat(),
        WAY_TAG: way_text(entry),
    }
    for key, value in tags.items():
        models.tag_version(entry.model_name, entry.to_version, key, value)


def _previous_moved(stores: ModelStores, aliases: dict[str, int], target: int | None) -> dict[str, int]:
    """The aliases after `previous` was moved to the target."""
    rest = {alias: version for alias, version in aliases.items() if alias != PREVIOUS}
    if aliases.get(PREVIOUS) != target:
        set_alias(stores.models, stores.model, PREVIOUS, target)
    return rest if target is None else {**rest, PREVIOUS: target}


def _idle_history(stores: ModelStores, flow_run_id: str | None = None) -> History:
    """The history once nothing is in progress, or nothing has been written for a while."""
    history = read_history(stores)
    quiet_since = time.monotonic()
    while others := [entry for entry in history.under_way if flow_run_id is None or entry.flow_run_id != flow_run_id]:
        if time.monotonic() - quiet_since > PATIENCE_SECONDS:
            log.warning("%s.", _abandoned(others[0]))
            break
        time.sleep(POLL_SECONDS)
        newer = read_history(stores, history)
        if newer != history:
            history, quiet_since = newer, time.monotonic()
    return history


def _reconciled(stores: ModelStores, history: History, last: LedgerEntry | None) -> History:
    """The history after reconciling champion and ledger, which contradict each other."""
    champion = history.champion
    assert champion is not None
    intent = history.intents.get(champion)
    if intent is not None and last is not None and history.wrote_late(champion):
        log.warning(
            "%s, yet moved the champion afterwards: restored to version %d.", _overtaken_text(intent), last.to_version
        )
        back = revert(stores, intent.entry)
        close(stores.models, intent.entry, "undone")  # a later move to this version is deliberate
        return back
    unwritten = None
    if intent is not None and intent.entry.id not in history.written and intent.outcome in ("open", "done"):
        unwritten = intent.entry if intent.entry.previous == history.ledger.last_id else None
    entry = _missing_entry(stores.model, history, champion, unwritten, last)
    if not stores.storage.exists(ledger.entry_key(entry, stores.settings)):  # another process may have written it
        ledger.append(entry, stores.storage, stores.settings)
    tag_outcome(stores.models, entry)
    if unwritten is not None:
        close(stores.models, entry, "done")
    return read_history(stores, history)


def _missing_entry(
    model: str, history: History, champion: int, intent: LedgerEntry | None, last: LedgerEntry | None
) -> LedgerEntry:
    values = {
        "number": history.ledger.next_number,
        "previous": history.ledger.last_id,
        "action": "reconciled",
        "time": ledger.next_time(history.entries),
        "from_version": last.to_version if last else None,
    }
    if intent is not None:
        reason = f"An interrupted operation ({intent.action}) was recorded afterwards: {intent.reason}"
        return intent.model_copy(update={**values, "reason": reason})
    # Two processes that find it at once write the same entry.
    identity = hashlib.sha256(f"{model} {history.ledger.last_id} {champion}".encode()).hexdigest()[:12]
    return LedgerEntry.model_validate(
        {
            **values,
            "id": identity,
            "model_name": model,
            "action": "moved-outside",
            "to_version": champion,
            "reason": "The alias champion was moved outside this pipeline; the time is when this was seen.",
        }
    )


def _abandoned(entry: LedgerEntry) -> str:
    return (
        f"An operation on {entry.model_name} version {entry.to_version} ({entry.action}) wrote nothing for "
        f"{PATIENCE_SECONDS:g} s and is abandoned"
    )


def _overtaken_text(intent: Intent) -> str:
    return f"An operation on {intent.entry.model_name} version {intent.entry.to_version} was overtaken"
