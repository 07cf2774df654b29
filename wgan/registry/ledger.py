"""The ledger: what was in production, when and why; a chain of numbered entries, one object each, append-only.

MLflow keeps no history of aliases. An entry is `promotions/<model>/<number>-<id>.json` and names its predecessor, so
that neither clocks nor concurrent writers can change the order. Earlier versions of the code named entries by time;
those come first. Damaged entries and other objects are skipped.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from wgan.errors import ObjectMissing, StorageError
from wgan.records import LedgerEntry
from wgan.settings import Settings
from wgan.storage import Storage

READERS = 8
"""Entries read concurrently: a ledger is many small objects."""
MOST_BYTES = 4 * 2**20
"""Maximum bytes of an entry; one with its decision has some tens of thousands."""
MOST_SKEW = timedelta(days=1)
"""The largest plausible difference between clocks."""
NUMBERED = re.compile(r"(\d{8,12})-[0-9a-f]{12}\.json")
TIMED = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]+\.json")
"""Names of entries from before they were numbered."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ledger:
    """A model's entries as read."""

    entries: tuple[LedgerEntry, ...]
    """The chain, oldest first."""
    found: dict[str, LedgerEntry]
    """Every entry by its key, including those outside the chain, of writers that were overtaken."""
    damaged: dict[str, str]
    """Objects that are not valid entries: key → what is wrong."""

    @property
    def last_id(self) -> str | None:
        """The id that the next entry names as its predecessor."""
        return self.entries[-1].id if self.entries else None

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all entries."""
        return frozenset(entry.id for entry in self.found.values())

    @property
    def next_number(self) -> int:
        """One more than the last entry's number; numbers of damaged objects are skipped."""
        numbers = [entry.number for entry in self.found.values() if entry.number is not None]
        number = max(numbers, default=len(self.entries)) + 1
        taken = {int(name[1]) for key in self.damaged if (name := NUMBERED.fullmatch(_name(key)))}
        while number in taken:
            number += 1
        return number

    def without(self, ids: Collection[str]) -> Ledger:
        """The same ledger, whose chain excludes entries with these ids unless a later one names them."""
        return replace(self, entries=tuple(_chain(self.found.values(), ids)))


def entry_key(entry: LedgerEntry, settings: Settings) -> str:
    """The key of an entry. Writing the same entry twice stores it once."""
    return f"{_prefix(entry.model_name, settings)}{entry.number:08d}-{entry.id}.json"


def append(entry: LedgerEntry, storage: Storage, settings: Settings) -> str:
    """Write a numbered entry under a key of its own; returns the key. Raises `StorageError`, never overwrites."""
    key = entry_key(entry, settings)
    if storage.exists(key):
        raise StorageError(f"the ledger already has {storage.uri(key)}: entries are never overwritten.")
    storage.put_bytes(key, entry.model_dump_json(indent=2).encode(), "application/json")
    return key


def read(model: str, storage: Storage, settings: Settings) -> list[LedgerEntry]:
    """The chain of a model's entries, oldest first; a damaged one is skipped with a warning."""
    ledger = read_ledger(model, storage, settings)
    for reason in ledger.damaged.values():
        log.warning("%s; it is skipped.", reason)
    return list(ledger.entries)


def read_ledger(model: str, storage: Storage, settings: Settings, known: Ledger | None = None) -> Ledger:
    """Read a model's ledger. Entries never change, so `known` ones are not fetched again."""
    prefix = _prefix(model, settings)
    found: dict[str, LedgerEntry] = {}
    damaged: dict[str, str] = {}
    fetched: list[str] = []
    for key, size in ((entry.key, entry.size) for entry in storage.list(prefix)):
        name = key.removeprefix(prefix)
        if known is not None and key in known.found:
            found[key] = known.found[key]
        elif not (NUMBERED.fullmatch(name) or TIMED.fullmatch(name)):
            damaged[key] = f"{storage.uri(key)} is not named like a ledger entry"
        elif size > MOST_BYTES:
            damaged[key] = f"{storage.uri(key)} has {size:,} bytes, more than a ledger entry may have"
        else:
            fetched.append(key)
    with ThreadPoolExecutor(READERS) as pool:
        for key, entry in zip(fetched, pool.map(lambda key: _entry(key, model, storage), fetched), strict=True):
            if isinstance(entry, LedgerEntry):
                found[key] = entry
            elif entry is not None:
                damaged[key] = entry
    ordered = dict(sorted(found.items()))
    return Ledger(tuple(_chain(ordered.values())), ordered, damaged)


def latest_move(entries: Iterable[LedgerEntry]) -> LedgerEntry | None:
    """The last entry that changed the champion; None if there never was one."""
    moves = [entry for entry in entries if entry.action != "refused"]
    return moves[-1] if moves else None


def predecessor(entries: Iterable[LedgerEntry], versions: Collection[int]) -> int | None:
    """The version a rollback returns to: the last champion before today's that was not rolled back itself.

    Replays the ledger as a stack: a promotion pushes a version; a rollback pops versions until its target is on top (or
    replaces the top with its target), so that rolling back twice goes two versions back instead of forward again. Only
    `versions`, those still in the registry, count.
    """
    stack: list[int] = []
    for entry in entries:
        if entry.action == "refused":
            continue
        if entry.action == "promoted" or entry.to_version not in stack:
            if entry.action == "rolled-back" and stack:
                stack.pop()
            stack.append(entry.to_version)
        else:
            while stack[-1] != entry.to_version:
                stack.pop()
    return next((version for version in reversed(stack[:-1]) if version in versions and version != stack[-1]), None)


def new_id() -> str:
    """A new entry's id, 12 hexadecimal digits."""
    return uuid.uuid4().hex[:12]


def next_time(entries: Iterable[LedgerEntry]) -> datetime:
    """Now, or just after the newest entry if this computer's clock is behind its writer's (UTC).

    An implausible date is ignored: entries are ordered by number anyway.
    """
    now = datetime.now(UTC)
    ahead = [entry.time for entry in entries if now < entry.time < now + MOST_SKEW]
    return max(ahead) + datetime.resolution if ahead else now


def _chain(entries: Iterable[LedgerEntry], passed_over: Collection[str] = ()) -> list[LedgerEntry]:
    """From the last entry back along the predecessors that each one names.

    If two have the same number, the one that a later entry names counts; at the end of the chain, the one written
    later: whoever overtook another had waited for it.
    """
    timed, numbered = [], dict[int, list[LedgerEntry]]()
    for entry in entries:
        if entry.number is None:
            timed.append(entry)
        else:
            numbered.setdefault(entry.number, []).append(entry)
    line: list[LedgerEntry] = []
    for number in sorted(numbered, reverse=True):
        rivals = numbered[number]
        named = [entry for entry in rivals if line and entry.id == line[-1].previous]
        standing = named or [entry for entry in rivals if entry.id not in passed_over]
        if standing:
            line.append(max(standing, key=lambda entry: (entry.time, entry.id)))
    return [*timed, *reversed(line)]


def _entry(key: str, model: str, storage: Storage) -> LedgerEntry | str | None:
    """The entry; what is wrong with it; or None if its writer has withdrawn it."""
    try:
        entry = LedgerEntry.model_validate_json(storage.get_bytes(key))
    except ObjectMissing:
        return None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the document"
        return f"the ledger entry {storage.uri(key)} is damaged: {where}: {first['msg']}"
    name = NUMBERED.fullmatch(_name(key))
    if entry.model_name != model or entry.number != (int(name[1]) if name else None) or entry.id not in key:
        return f"the ledger entry {storage.uri(key)} is damaged: it names another place in the ledger"
    return entry


def _name(key: str) -> str:
    return key.rsplit("/", 1)[-1]


def _prefix(model: str, settings: Settings) -> str:
    return f"{settings.promotions_prefix}/{model}/"
