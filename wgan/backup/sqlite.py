"""An SQLite database that others are writing to, copied as it was at one moment; and put back."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from wgan.errors import WganError

BUSY_SECONDS = 60.0
"""Longest wait for another process that writes at this moment."""


def snapshot(source: Path, target: Path) -> None:
    """Copy a database with SQLite's online backup, in one step, and check the copy. Raises `WganError`."""
    try:
        with (
            closing(sqlite3.connect(f"file:{quote(str(source))}?mode=rw", uri=True, timeout=BUSY_SECONDS)) as live,
            closing(sqlite3.connect(target)) as copy,
        ):
            live.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, whatever mode the live one is in
            found = [str(row[0]) for row in copy.execute("PRAGMA quick_check(1)")]
    except sqlite3.Error as error:
        raise WganError(f"the database {source} cannot be copied ({error}).") from None
    if found != ["ok"]:
        raise WganError(f"the database {source} is damaged ({found[0]}): it was not saved.")
    target.chmod(0o600)


def free_slots(path: Path) -> None:
    """Give back every concurrency slot in Prefect's database: who held one is not running any more."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE concurrency_limit_v2 SET active_slots = 0")
