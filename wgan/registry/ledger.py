"""The ledger: what was in production, when and why; append-only, one object per promotion, refusal or rollback.

MLflow keeps no history of aliases. Keys sort by time: `promotions/<model>/<time>-<id>.json`.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from pydantic import ValidationError

from wgan.errors import StorageError
from wgan.records import LedgerEntry
from wgan.settings import Settings
from wgan.storage import Storage

READERS = 8
"""Entries that are read at once: a ledger is many small objects."""


def append(entry: LedgerEntry, storage: Storage, settings: Settings) -> str:
    """Write an entry under a key of its own; returns the key. Raises `StorageError`, never overwrites."""
    key = f"{_prefix(entry.model_name, settings)}{entry.time.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}-{entry.id}.json"
    if storage.exists(key):
        raise StorageError(f"the ledger already has {storage.uri(key)}: entries are never overwritten.")
    storage.put_bytes(key, entry.model_dump_json(indent=2).encode(), "application/json")
    return key


def read(model: str, storage: Storage, settings: Settings) -> list[LedgerEntry]:
    """All entries of a model, oldest first. Raises `StorageError` naming an entry that is damaged."""
    keys = [found.key for found in storage.list(_prefix(model, settings)) if found.key.endswith(".json")]
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(lambda key: _entry(key, storage), sorted(keys)))


def latest_move(entries: Iterable[LedgerEntry]) -> LedgerEntry | None:
    """The last entry that changed the champion; None when there never was one."""
    moves = [entry for entry in entries if entry.action != "refused"]
    return moves[-1] if moves else None


def predecessor(entries: Iterable[LedgerEntry], versions: Collection[int]) -> int | None:
    """The version a rollback returns to: the last champion before today's that was not rolled back itself.

    Replays the ledger as a stack: a promotion lays a version on top; a rollback takes versions off until the one it
    goes to lies on top (or lays it there in place of the one it leaves), so that rolling back twice goes two back
    instead of forward again. Only `versions`, those still in the registry, count.
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
    """Now, or just after the newest entry where this computer's clock is behind the one that wrote it (UTC)."""
    newest = max((entry.time for entry in entries), default=None)
    now = datetime.now(UTC)
    return now if newest is None or now > newest else newest + datetime.resolution


def _entry(key: str, storage: Storage) -> LedgerEntry:
    try:
        return LedgerEntry.model_validate_json(storage.get_bytes(key))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise StorageError(f"the ledger's entry {storage.uri(key)} is damaged: {where}: {first['msg']}.") from None


def _prefix(model: str, settings: Settings) -> str:
    return f"{settings.promotions_prefix}/{model}/"
