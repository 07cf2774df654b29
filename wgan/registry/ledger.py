"""The ledger: what was in production, when and why; a chain of numbered entries, one object each, append-only.

MLflow keeps no history of aliases. An entry is `promotions/<model>/<number>-<id>.json` and names its predecessor, so
that neither clocks nor concurrent writers can change the order. Its end can be read alone, since the store lists keys
from any number on. Earlier versions of the code named entries by time; those come first. Damaged entries and other
objects are skipped.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import islice

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
END = 10
"""Entries read at a ledger's end unless asked for more."""
FURTHER = 4
"""By how much the entries read grow, if they are not enough."""
NEXT = 10
"""Keys looked at for an entry whose number was taken."""
NUMBERED = re.compile(r"(\d{8,12})-[0-9a-f]{12}\.json")
TIMED = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]+\.json")
"""Names of entries from before they were numbered."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ledger:
    """A model's entries as read: all of them, or the last ones."""

    found: dict[str, LedgerEntry]
    """Every entry by its key, including those outside the chain, of writers that were overtaken."""
    damaged: dict[str, str]
    """Objects that are not valid entries: key → what is wrong."""
    since: int = 0
    """Entries up to this number were not read; 0: all were."""
    passed_over: frozenset[str] = frozenset()
    """Ids of entries that are not in the chain unless a later one names them."""

    @cached_property
    def entries(self) -> tuple[LedgerEntry, ...]:
        """The chain, oldest first."""
        return tuple(_chain(self.found.values(), self.passed_over))

    @property
    def last_id(self) -> str | None:
        """The id that the next entry names as its predecessor."""
        return self.entries[-1].id if self.entries else None

    @cached_property
    def ids(self) -> frozenset[str]:
        """The ids of all entries."""
        return frozenset(entry.id for entry in self.found.values())

    @property
    def last_number(self) -> int:
        """The highest number of an entry; of entries from before they were numbered, how many there are."""
        numbers = [entry.number for entry in self.found.values() if entry.number is not None]
        return max(numbers, default=len(self.entries))

    @property
    def next_number(self) -> int:
        """One more than the last entry's number; numbers of damaged objects are skipped."""
        number = self.last_number + 1
        taken = {int(name[1]) for key in self.damaged if (name := NUMBERED.fullmatch(_name(key)))}
        while number in taken:
            number += 1
        return number

    @property
    def unnamed(self) -> list[LedgerEntry]:
        """Entries that no other one names as its predecessor: the last one, and those of overtaken writers."""
        named = {entry.previous for entry in self.found.values()}
        return [entry for entry in self.found.values() if entry.number is not None and entry.id not in named]


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
    return _told(read_ledger(model, storage, settings))


def read_newest(
    model: str, count: int, storage: Storage, settings: Settings, about: int = 0
) -> tuple[list[LedgerEntry], bool]:
    """The last `count` entries of the chain, oldest first, and whether there are earlier ones.

    `about` is where the ledger ends, as far as the caller knows. Only the last entries are read. A damaged one is
    skipped with a warning.
    """
    ledger = read_end(model, storage, settings, about, count + 1)
    while ledger.since and len(ledger.entries) <= count:
        ledger = read_further(ledger, model, storage, settings)
    entries = _told(ledger)
    return entries[-count:], len(entries) > count


def read_end(model: str, storage: Storage, settings: Settings, about: int, count: int | None = None) -> Ledger:
    """Read the entries from `count` (`END`) before the number `about` on; all, if none has so high a number."""
    since = max(0, about - (count or END))
    ledger = read_ledger(model, storage, settings, since=since)
    return ledger if ledger.found or not since else read_ledger(model, storage, settings)


def read_further(ledger: Ledger, model: str, storage: Storage, settings: Settings) -> Ledger:
    """The same ledger from several times as far back."""
    since = max(0, ledger.last_number - FURTHER * (ledger.last_number - ledger.since))
    return replace(read_ledger(model, storage, settings, ledger, since), passed_over=ledger.passed_over)


def read_ledger(
    model: str, storage: Storage, settings: Settings, known: Ledger | None = None, since: int = 0
) -> Ledger:
    """Read a model's ledger, or its entries after the number `since`.

    Entries never change, so `known` ones are not fetched again.
    """
    prefix = _prefix(model, settings)
    found: dict[str, LedgerEntry] = {}
    damaged: dict[str, str] = {}
    fetched: list[str] = []
    for key, size in ((entry.key, entry.size) for entry in storage.list(prefix, _last_key(prefix, since))):
        name = key.removeprefix(prefix)
        if known is not None and key in known.found:
            found[key] = known.found[key]
        elif since and TIMED.fullmatch(name):
            continue  # it comes before all numbered entries
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
    return Ledger(dict(sorted(found.items())), damaged, since)


def is_stored(entry: LedgerEntry, storage: Storage, settings: Settings) -> bool:
    """Whether the ledger has this numbered entry, under its number or, if that was taken, one of the next."""
    assert entry.number is not None
    prefix = _prefix(entry.model_name, settings)
    listed = storage.list(prefix, _last_key(prefix, entry.number - 1))
    return any(_name(found.key).endswith(f"-{entry.id}.json") for found in islice(listed, NEXT))


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


def _told(ledger: Ledger) -> list[LedgerEntry]:
    """Its chain; warns of what is left out."""
    for reason in ledger.damaged.values():
        log.warning("%s; it is left out.", reason)
    return list(ledger.entries)


def _last_key(prefix: str, number: int) -> str:
    """A key after those of all entries up to the number, and before those of the next; empty for 0."""
    return f"{prefix}{number:08d}-~" if number else ""


def _name(key: str) -> str:
    return key.rsplit("/", 1)[-1]


def _prefix(model: str, settings: Settings) -> str:
    return f"{settings.promotions_prefix}/{model}/"
