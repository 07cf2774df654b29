"""Dumps a Postgres database at one moment with `pg_dump`, and restores it into an empty one with `pg_restore`.

Both read the password from their environment and ignore ownership: restored objects belong to the restoring user.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Literal

from wgan.errors import UsageError, WganError
from wgan.stack.databases import PostgresDatabase, connected, first_line

DEBIAN = Path("/usr/lib/postgresql")
"""Where Debian installs each version's programs, in `<version>/bin`."""
OWNERLESS = ("--no-owner", "--no-privileges")
TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"


def dump(database: PostgresDatabase, target: Path) -> None:
    """Write a consistent snapshot in pg_dump's custom format. Raises `WganError` in one sentence."""
    program = find_program("pg_dump", server_version(database))
    target.touch(mode=0o600)
    _run((program, "--format=custom", "--no-password", *OWNERLESS, f"--file={target}"), database)


def load(dumped: Path, database: PostgresDatabase) -> None:
    """Restore a dump into an empty database, in one transaction."""
    program = find_program("pg_restore", server_version(database))
    options = ("--single-transaction", "--exit-on-error", "--no-password", "--no-comments", *OWNERLESS)
    _run((program, *options, f"--dbname={database.database}", str(dumped)), database)


def free_slots(database: PostgresDatabase) -> None:
    """Release every concurrency slot in Prefect's database: their holders are no longer running."""
    with connected(database) as connection:
        connection.execute("UPDATE concurrency_limit_v2 SET active_slots = 0")


def require_empty(database: PostgresDatabase) -> None:
    """Raise `UsageError` unless the database exists and has no tables."""
    with connected(database) as connection:
        row = connection.execute(TABLES).fetchone()
    if row and row[0]:
        raise UsageError(
            f"the database {database.place} ({database.setting}) holds {row[0]} tables: `wgan restore` needs an empty "
            "one; stop the server that uses it, drop it and create it again, or name another."
        )


def server_version(database: PostgresDatabase) -> int:
    """The server's major version."""
    with connected(database) as connection:
        return connection.info.server_version // 10000


def find_program(name: Literal["pg_dump", "pg_restore"], server: int) -> str:
    """A program of at least the server's version: on the path, or in Debian's folders. Raises `WganError`."""
    folders = sorted(DEBIAN.glob("*/bin"), reverse=True)
    candidates = [shutil.which(name), *(shutil.which(name, path=str(folder)) for folder in folders)]
    found = {program: _version(program) for program in candidates if program}
    for program, version in found.items():
        if version >= server:
            return program
    what = f"{name} here has version {max(found.values())}" if found else f"{name} is not installed"
    raise WganError(
        f"{what}, but the server is Postgres {server}: install Postgres's client programs of version {server} or later "
        f"(Debian: apt-get install postgresql-client-{server})."
    )


def _version(program: str) -> int:
    answer = subprocess.run((program, "--version"), capture_output=True, text=True, check=False).stdout
    digits = answer.split(")", 1)[-1].split(".")[0].strip()  # pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
    return int(digits) if digits.isdigit() else 0


def _run(command: tuple[str, ...], database: PostgresDatabase) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    done = subprocess.run(
        command,
        env={**environment, **database.client_environment()},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        name = Path(command[0]).name
        raise WganError(f"{name} failed for the database {database.place}: {first_line(done.stderr)}.")
