"""The databases of MLflow and Prefect: SQLite in the home folder, or a Postgres database each.

The password of a Postgres database is passed only in environment variables, never as an argument, which every user of
the machine could read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from pydantic import SecretStr

from wgan.errors import UsageError, WganError
from wgan.settings import Settings

if TYPE_CHECKING:
    import psycopg

DatabaseName = Literal["mlflow", "prefect"]
DATABASES: tuple[DatabaseName, ...] = ("mlflow", "prefect")
FORM = "postgresql://user:password@host:port/database"
CONNECT_SECONDS = 10


@dataclass(frozen=True)
class SqliteFile:
    """A database in the home folder."""

    path: Path


@dataclass(frozen=True)
class PostgresDatabase:
    """A database on a Postgres server."""

    host: str
    port: int
    user: str
    password: str | None = field(repr=False)
    database: str
    sslmode: str | None = None
    """libpq's sslmode: disable, prefer, require, verify-ca, verify-full; None: its default."""
    setting: str = "WGAN_MLFLOW_DATABASE_URL"
    """The variable it comes from, for messages."""

    @property
    def place(self) -> str:
        """Where it is, without the password, for messages."""
        return f"{self.database} at {self.host}:{self.port}"

    def url(self, driver: Literal["psycopg", "asyncpg"]) -> str:
        """Address for SQLAlchemy, with the password."""
        user = quote(self.user, safe="") + (f":{quote(self.password, safe='')}" if self.password else "")
        host = f"[{self.host}]" if ":" in self.host else self.host
        name = {"psycopg": "sslmode", "asyncpg": "ssl"}[driver]
        query = f"?{urlencode({name: self.sslmode})}" if self.sslmode else ""
        return f"postgresql+{driver}://{user}@{host}:{self.port}/{quote(self.database, safe='')}{query}"

    def client_environment(self) -> dict[str, str]:
        """Environment variables for libpq's programs (`pg_dump`, `pg_restore`)."""
        own = {"PGHOST": self.host, "PGPORT": str(self.port), "PGUSER": self.user, "PGDATABASE": self.database}
        secret = {"PGPASSWORD": self.password} if self.password else {}
        return {**own, **secret, **({"PGSSLMODE": self.sslmode} if self.sslmode else {})}


def database_of(name: DatabaseName, settings: Settings) -> SqliteFile | PostgresDatabase:
    """The configured database of MLflow or Prefect. Raises `UsageError` for an invalid URL."""
    url: SecretStr | None = getattr(settings, f"{name}_database_url")
    if url is None:
        return SqliteFile(settings.home.resolve() / f"{name}.db")
    found = parse_postgres(url, f"WGAN_{name.upper()}_DATABASE_URL")
    other: SecretStr | None = getattr(settings, "prefect_database_url" if name == "mlflow" else "mlflow_database_url")
    if other is not None and other.get_secret_value() == url.get_secret_value():
        raise UsageError(
            "WGAN_MLFLOW_DATABASE_URL and WGAN_PREFECT_DATABASE_URL are the same: give each its own database."
        )
    return found


def parse_postgres(url: SecretStr, setting: str) -> PostgresDatabase:
    """Parse `postgresql://user:password@host:port/database`, parts percent-encoded, `?sslmode=…` allowed.

    Raises `UsageError`, which names the setting and the form but never the value, since it contains a password.
    """
    try:
        parts = urlsplit(url.get_secret_value())
        query = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
        host, port = parts.hostname, parts.port or 5432
    except ValueError:
        raise UsageError(f"{setting} is not of the form {FORM}.") from None
    database = unquote(parts.path.removeprefix("/"))
    if parts.scheme not in ("postgresql", "postgres") or not (host and parts.username and database):
        raise UsageError(f"{setting} is not of the form {FORM}.")
    if unknown := sorted(set(query) - {"sslmode"}):
        raise UsageError(f"{setting} has the option {unknown[0]!r}: only sslmode is allowed after the question mark.")
    password = unquote(parts.password) if parts.password else None
    user = unquote(parts.username)
    return PostgresDatabase(host, port, user, password, database, query.get("sslmode"), setting)


def require_databases(settings: Settings) -> None:
    """Raise `WganError` unless each configured Postgres database accepts a connection."""
    for name in DATABASES:
        database = database_of(name, settings)
        if isinstance(database, PostgresDatabase):
            with connected(database):
                pass


@contextmanager
def connected(database: PostgresDatabase) -> Iterator[psycopg.Connection[Any]]:
    """A connection; failures raise a `WganError` that names the setting."""
    import psycopg  # only needed with Postgres

    try:
        with psycopg.connect(
            host=database.host,
            port=database.port,
            user=database.user,
            password=database.password,
            dbname=database.database,
            sslmode=database.sslmode,
            connect_timeout=CONNECT_SECONDS,
        ) as connection:
            yield connection
    except psycopg.Error as error:
        raise WganError(
            f"the database {database.place} cannot be used ({first_line(str(error))}): check {database.setting}."
        ) from None


def first_line(text: str) -> str:
    """The first non-empty line, without a full stop at the end."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else "it did not say why"
