"""URLs of Postgres databases: one form, translated for each client; the password is never shown."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from wgan.backup.postgres import find_program
from wgan.errors import UsageError, WganError
from wgan.settings import Settings
from wgan.stack.credentials import Credentials
from wgan.stack.databases import PostgresDatabase, SqliteFile, database_of, parse_postgres
from wgan.stack.servers import embedded_servers

SETTING = "WGAN_MLFLOW_DATABASE_URL"


def parse(url: str) -> PostgresDatabase:
    return parse_postgres(SecretStr(url), SETTING)


def test_the_url_is_translated_for_each_driver() -> None:
    found = parse("postgresql://ada:s%40cret%2F@db.example:6543/runs")
    assert (found.user, found.password, found.host, found.port, found.database) == (
        "ada",
        "s@cret/",
        "db.example",
        6543,
        "runs",
    )
    assert found.url("psycopg") == "postgresql+psycopg://ada:s%40cret%2F@db.example:6543/runs"
    assert found.url("asyncpg") == "postgresql+asyncpg://ada:s%40cret%2F@db.example:6543/runs"
    assert found.client_environment() == {
        "PGHOST": "db.example",
        "PGPORT": "6543",
        "PGUSER": "ada",
        "PGDATABASE": "runs",
        "PGPASSWORD": "s@cret/",
    }
    assert "s@cret" not in repr(found)
    assert found.place == "runs at db.example:6543"


def test_the_port_is_optional_and_encryption_can_be_required() -> None:
    found = parse("postgresql://ada:x@db.example/runs?sslmode=verify-full")
    assert found.url("psycopg") == "postgresql+psycopg://ada:x@db.example:5432/runs?sslmode=verify-full"
    assert found.url("asyncpg") == "postgresql+asyncpg://ada:x@db.example:5432/runs?ssl=verify-full"
    assert found.client_environment()["PGSSLMODE"] == "verify-full"


@pytest.mark.parametrize(
    "url",
    [
        "mysql://ada:hunter2@db.example/runs",
        "postgresql+asyncpg://ada:hunter2@db.example/runs",
        "postgresql://ada:hunter2@db.example",
        "postgresql://db.example/runs?password=hunter2",
        "postgresql://ada:hunter2@db.example:port/runs",
        "postgresql://ada:hunter2@/runs",
        "hunter2",
    ],
)
def test_an_invalid_url_is_refused_in_one_sentence_that_does_not_show_it(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(url)
    assert str(refused.value) == f"{SETTING} is not of the form postgresql://user:password@host:port/database."


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(UsageError, match="has the option 'target_session_attrs': only sslmode"):
        parse("postgresql://ada:x@db.example/runs?target_session_attrs=any")


def test_without_an_address_the_database_is_in_the_home() -> None:
    settings = Settings()
    assert database_of("mlflow", settings) == SqliteFile(settings.home.resolve() / "mlflow.db")


def test_one_database_for_both_is_refused() -> None:
    url = SecretStr("postgresql://ada:x@db.example/both")
    with pytest.raises(UsageError, match="are the same: give each its own database"):
        database_of("prefect", Settings(mlflow_database_url=url, prefect_database_url=url))


def test_the_password_is_in_the_servers_environment_and_not_in_their_arguments() -> None:
    settings = Settings(
        mlflow_database_url=SecretStr("postgresql://ada:hunter2@db.example/runs"),
        prefect_database_url=SecretStr("postgresql://ada:hunter3@db.example/flows"),
    )
    servers = {
        server.name: server for server in embedded_servers(settings, Credentials("key", "secret", "user:password"))
    }
    told = servers["mlflow"].environment
    assert told["_MLFLOW_SERVER_FILE_STORE"] == "postgresql+psycopg://ada:hunter2@db.example:5432/runs"
    assert told["_MLFLOW_SERVER_REGISTRY_STORE"] == told["_MLFLOW_SERVER_FILE_STORE"]
    told = servers["prefect"].environment
    assert told["PREFECT_SERVER_DATABASE_CONNECTION_URL"] == "postgresql+asyncpg://ada:hunter3@db.example:5432/flows"
    for server in servers.values():
        assert "hunter" not in " ".join(server.command) + repr(server)
    for name in ("s3", "serving"):
        assert "hunter" not in " ".join(servers[name].environment.values())


def test_a_client_program_older_than_the_server_is_one_sentence() -> None:
    with pytest.raises(
        WganError, match=r"the server is Postgres 999: install Postgres's client programs of version 999"
    ):
        find_program("pg_dump", 999)
