"""A model's production history: reconciles the ledger, the aliases and the versions' intents.

They disagree if a process died or stalled between its writes, or if somebody moved an alias in MLflow.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from wgan.mlflow_api.models import Models
from wgan.records import LedgerEntry
from wgan.registry import ledger
from wgan.registry.aliases import CHAMPION, PREVIOUS, read_aliases, set_alias
from wgan.registry.intent import Intent, close, read_intent
from wgan.registry.ledger import Ledger
from wgan.registry.listing import GATE_REASON_TAG, GATE_TAG, GATE_TIME_TAG
from wgan.settings import Settings
from wgan.storage import Storage

PATIENCE_SECONDS = 5.0
"""How long an operation in progress may write nothing before the next one considers it dead."""
POLL_SECONDS = 0.2

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelStores:
    """One model, and the servers that hold its history."""

    models: Models
    model: str
    settings: Settings
    storage: Storage


@dataclass(frozen=True)
class History:
    """The ledger's entries, and the current aliases and intents."""

    ledger: Ledger
    aliases: dict[str, int]
    intents: dict[int, Intent] = field(repr=False)
    versions: frozenset[int]

    @property
    def entries(self) -> tuple[LedgerEntry, ...]:
        """The ledger's chain, oldest first."""
        return self.ledger.entries

    @property
    def champion(self) -> int | None:
        """The version in production."""
        return self.aliases.get(CHAMPION)

    @property
    def previous(self) -> int | None:
        """The version a rollback returns to."""
        return self.aliases.get(PREVIOUS)

    @property
    def basis(self) -> tuple[str | None, int | None]:
        """What an operation's decision depends on: the last entry, and the champion."""
        return self.ledger.last_id, self.champion

    @property
    def under_way(self) -> list[LedgerEntry]:
        """Entries announced but not yet written, by operations that are running, stalled or dead."""
        return [
            intent.entry
            for intent in self.intents.values()
            if intent.outcome == "open"
            and intent.entry.id not in self.ledger.ids
            and intent.entry.previous == self.ledger.last_id
        ]

    def wrote_late(self, version: int | None) -> bool:
        """Whether an operation made the version champion after it was overtaken."""
        intent = None if version is None else self.intents.get(version)
        if intent is None or intent.entry.id in self.ledger.ids:
            return False
        stale = intent.entry.previous != self.ledger.last_id
        return intent.outcome == "void" or (intent.outcome == "open" and stale)

    def written_by(self, flow_run_id: str | None, version: int | None) -> LedgerEntry | None:
        """The last entry of a flow run (for a version); None if it wrote none yet, or there is no flow run."""
        for entry in reversed(self.entries):
            if flow_run_id is not None and entry.flow_run_id == flow_run_id and version in (None, entry.to_version):
                return entry
        return None


def read_history(stores: ModelStores, known: History | None = None) -> History:
    """Read the current history; with `known`, only new ledger entries are fetched."""
    found = ledger.read_ledger(stores.model, stores.storage, stores.settings, known.ledger if known else None)
    aliases = read_aliases(stores.models, stores.model)
    intents, versions = {}, set()
    for version in stores.models.versions(stores.model):
        versions.add(version.version)
        if (intent := read_intent(version.tags)) is not None:
            intents[version.version] = intent
    void = {intent.entry.id for intent in intents.values() if intent.outcome in ("void", "undone")}
    return History(found.without(void), aliases, intents, frozenset(versions))


def reconciled_history(stores: ModelStores, flow_run_id: str | None = None) -> History:
    """The history with nothing in progress or left over; `previous` agrees with the ledger.

    Waits for an operation in progress and abandons it if it wrote nothing for `PATIENCE_SECONDS` (one of the same flow
    run, at once). Adds a move that is missing from the ledger, and reverts one that came too late.
    """
    history = _idle_history(stores, flow_run_id)
    for dead in history.under_way:
        if dead.action == "refused" or history.champion != dead.to_version:
            close(stores.models, dead, "void")  # it changed nothing; if it resumes, it finds this
            log.warning("%s; it had changed nothing.", _abandoned(dead))
    history = read_history(stores, history)
    last = ledger.latest_move(history.entries)
    if history.champion is not None and history.champion != (last.to_version if last else None):
        history = _reconciled(stores, history, last)
    if ledger.predecessor(history.entries, history.versions) is not None or history.previous == history.champion:
        aliases = move_previous(stores.models, stores.model, history.entries, history.aliases, history.versions)
        history = History(history.ledger, aliases, history.intents, history.versions)
    return history


def revert(stores: ModelStores, entry: LedgerEntry) -> History:
    """Revert the writes of an operation that was overtaken; returns the history afterwards.

    The champion is kept if it is not the one that operation sets: somebody else moved it.
    """
    history = _idle_history(stores)
    last = ledger.latest_move(history.entries)
    theirs = history.champion == entry.to_version and entry.id not in history.ledger.ids
    if theirs and last is not None and last.to_version != entry.to_version:
        set_alias(stores.models, stores.model, CHAMPION, last.to_version)
    move_previous(stores.models, stores.model, history.entries, history.aliases, history.versions)
    return read_history(stores, history)


def move_previous(
    models: Models,
    model: str,
    entries: Sequence[LedgerEntry],
    aliases: dict[str, int],
    versions: Collection[int],
) -> dict[str, int]:
    """Set the alias `previous` to the champion before the last entry's; returns the resulting aliases."""
    target = ledger.predecessor(entries, versions)
    rest = {alias: version for alias, version in aliases.items() if alias != PREVIOUS}
    if aliases.get(PREVIOUS) != target:
        set_alias(models, model, PREVIOUS, target)
    return rest if target is None else {**rest, PREVIOUS: target}


def tag_outcome(models: Models, entry: LedgerEntry) -> None:
    """Tag the version with its outcome, when and why."""
    tags = {GATE_TAG: entry.action, GATE_REASON_TAG: entry.reason, GATE_TIME_TAG: entry.time.isoformat()}
    for key, value in tags.items():
        models.tag_version(entry.model_name, entry.to_version, key, value)


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
    if intent is not None and intent.entry.id not in history.ledger.ids and intent.outcome in ("open", "done"):
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
            "to_version": champion,
            "reason": "The alias champion was moved outside this pipeline.",
        }
    )


def _abandoned(entry: LedgerEntry) -> str:
    return (
        f"An operation on {entry.model_name} version {entry.to_version} ({entry.action}) wrote nothing for "
        f"{PATIENCE_SECONDS:g} s and is abandoned"
    )


def _overtaken_text(intent: Intent) -> str:
    return f"An operation on {intent.entry.model_name} version {intent.entry.to_version} was overtaken"
