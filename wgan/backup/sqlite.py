"""Copies an SQLite database at one moment while others write to it, and restores it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from wgan.errors import WganError

BUSY_SECONDS = 60.0
"""Timeout in seconds for another process that is writing."""


def snapshot(source: Path, target: Path) -> None:
    """Copy a database with SQLite's online backup, in one step, and check the copy. Raises `WganError`."""
    try:
        with (
            closing(sqlite3.connect(f"file:{quote(str(source))}?mode=rw", uri=True, timeout=BUSY_SECONDS)) as live,
            closing(sqlite3.connect(target)) as copy,
        ):
            live.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # a single file, whatever the live one's mode
            found = [str(row[0]) for row in copy.execute("PRAGMA quick_check(1)")]
    except sqlite3.Error as error:
        raise WganError(f"the database {source} cannot be copied ({error}).") from None
    if found != ["ok"]:
        raise WganError(f"the database {source} is damaged ({found[0]}): it was not saved.")
    target.chmod(0o600)


def free_slots(path: Path) -> None:
    """Release every concurrency slot in Prefect's database: their holders are no longer running."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE concurrency_limit_v2 SET active_slots = 0")
