"""A model's production history as it is now: the end of the ledger, the aliases, and the versions' intents.

Reading it takes a fixed number of requests, however many versions and entries there are.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from itertools import islice

from wgan.mlflow_api.models import Models
from wgan.records import LedgerEntry
from wgan.registry import ledger
from wgan.registry.aliases import CHALLENGER, CHAMPION, PREVIOUS, read_aliases
from wgan.registry.client import registry
from wgan.registry.intent import Intent, announced_after, read_intent
from wgan.registry.ledger import Ledger
from wgan.registry.ledger_replay import former_champions, latest_move
from wgan.settings import Settings
from wgan.storage import Storage

NEWEST = 3
"""Newest versions of a model that are asked where the ledger ends: most entries are about one of them."""


@dataclass(frozen=True)
class ModelStores:
    """One model, the servers that hold its history, and the version that is to be moved, where that is known."""

    models: Models
    model: str
    settings: Settings
    storage: Storage
    version: int | None = None


@dataclass(frozen=True)
class History:
    """The ledger's last entries, and the current aliases and intents."""

    ledger: Ledger
    """Reaches back to the last move of the champion at least."""
    aliases: dict[str, int]
    intents: dict[int, Intent] = field(repr=False)
    """Of champion and challenger, of the version that is to be moved, and of operations in progress, by version."""
    written: frozenset[str] = field(repr=False)
    """Ids of the entries that the ledger has, among those read and those of the intents."""

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
            and intent.entry.id not in self.written
            and intent.entry.previous == self.ledger.last_id
        ]

    def wrote_late(self, version: int | None) -> bool:
        """Whether an operation made the version champion after it was overtaken."""
        intent = None if version is None else self.intents.get(version)
        if intent is None or intent.entry.id in self.written:
            return False
        stale = intent.entry.previous != self.ledger.last_id
        return intent.outcome == "void" or (intent.outcome == "open" and stale)

    @property
    def challenger(self) -> int | None:
        """The version that is on its way to production."""
        return self.aliases.get(CHALLENGER)

    @property
    def unfinished(self) -> list[LedgerEntry]:
        """Entries that are written, of operations that have not set all aliases and tags yet, or died before."""
        return [
            intent.entry
            for intent in self.intents.values()
            if intent.outcome == "open" and intent.entry.id in self.written
        ]

    def standing(self, version: int) -> LedgerEntry | None:
        """The version's last entry, if its intent was read; None if it has none."""
        intent = self.intents.get(version)
        return intent.entry if intent is not None and intent.entry.id in self.written else None

    def written_by(self, flow_run_id: str | None, version: int | None, actions: Collection[str]) -> LedgerEntry | None:
        """The last entry of a flow run with one of the actions (for a version).

        None if it wrote none yet, or there is no flow run.
        """
        if flow_run_id is None:
            return None
        announced = [intent.entry for intent in self.intents.values() if intent.entry.id in self.written]
        for entry in [*reversed(self.entries), *announced]:
            if entry.flow_run_id == flow_run_id and version in (None, entry.to_version) and entry.action in actions:
                return entry
        return None


def read_history(stores: ModelStores, known: History | None = None) -> History:
    """Read the current history; with `known`, only new ledger entries are fetched."""
    found = _read_ledger(stores, known)
    aliases = read_aliases(stores.models, stores.model)
    decisive = {
        aliases.get(CHAMPION),
        aliases.get(CHALLENGER),
        stores.version,
        *(entry.to_version for entry in found.unnamed),
    }
    intents = _read_intents(stores, decisive)
    void = frozenset(intent.entry.id for intent in intents.values() if intent.outcome in ("void", "undone"))
    found = replace(found, passed_over=void)
    while found.since and latest_move(found.entries) is None:
        found = ledger.read_further(found, stores.model, stores.storage, stores.settings)
    for version in announced_after(stores.models, stores.model, found.last_id):
        if (intent := read_intent(version.tags)) is not None:
            intents[version.version] = intent
    older = {intent.entry.id for intent in intents.values() if _is_older_entry(stores, found, intent.entry)}
    return History(found, aliases, intents, found.ids | older)


def rollback_target(
    stores: ModelStores, found: Ledger, planned: Collection[LedgerEntry] = ()
) -> tuple[int | None, Ledger]:
    """The version a rollback returns to once the planned entries are written; None if there is none.

    That is the last champion before today's that was not rolled back itself and is still in the registry. The ledger is
    read as far back as that takes, and returned.
    """
    while True:
        for version in former_champions([*found.entries, *planned], whole=not found.since):
            if stores.models.version(stores.model, version) is not None:
                return version, found
        if not found.since:
            return None, found
        found = ledger.read_further(found, stores.model, stores.storage, stores.settings)


def newest_entries(model: str, count: int, settings: Settings, storage: Storage) -> tuple[list[LedgerEntry], bool]:
    """The last `count` entries of a model's ledger, oldest first, and whether there are earlier ones.

    Raises `WganError`.
    """
    with registry(settings) as models:
        about = _last_announced(ModelStores(models, model, settings, storage))
    return ledger.read_newest(model, count, storage, settings, about)


def _read_ledger(stores: ModelStores, known: History | None) -> Ledger:
    if known is None:
        return ledger.read_end(stores.model, stores.storage, stores.settings, _last_announced(stores))
    return ledger.read_ledger(stores.model, stores.storage, stores.settings, known.ledger, known.ledger.since)


def _last_announced(stores: ModelStores) -> int:
    """About the number of the ledger's last entry, announced on the champion, the challenger or a new version."""
    aliases = read_aliases(stores.models, stores.model)
    announced = list(_read_intents(stores, (aliases.get(CHAMPION), aliases.get(CHALLENGER))).values())
    for version in islice(stores.models.newest_versions(stores.model, NEWEST), NEWEST):
        if (intent := read_intent(version.tags)) is not None:
            announced.append(intent)
    return max((intent.entry.number or 0 for intent in announced), default=0)


def _read_intents(stores: ModelStores, versions: Collection[int | None]) -> dict[int, Intent]:
    """The intents of those of the versions that have one."""
    found = {}
    for number in {version for version in versions if version is not None}:
        version = stores.models.version(stores.model, number)
        if version is not None and (intent := read_intent(version.tags)) is not None:
            found[number] = intent
    return found


def _is_older_entry(stores: ModelStores, found: Ledger, entry: LedgerEntry) -> bool:
    """Whether the ledger has the entry among those that were not read."""
    unread = entry.number is not None and entry.number <= found.since
    return unread and ledger.is_stored(entry, stores.storage, stores.settings)
