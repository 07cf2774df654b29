"""Debian's Postgres on a free loopback port, in a temporary folder, with a password; as a user who is not root."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from tests.conftest import free_ports, new_settings
from tests.integration.stack_commands import wait_for
from wgan.settings import Settings
from wgan.stack import start_stack, stop_stack

PROGRAMS = Path("/usr/lib/postgresql")
ROLE = "wgan"
UNPRIVILEGED = "nobody"


@dataclass(frozen=True)
class PostgresServer:
    """A running server whose role `wgan` may create databases but is not a superuser."""

    port: int
    password: str = field(repr=False)
    restart: Callable[[], None] = field(repr=False)
    """Stop it, which breaks every connection, and start it again on its data."""

    def create_database(self, name: str) -> str:
        """Create an empty database of the role; returns its address, with the password."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(name)

    def url(self, database: str) -> str:
        return f"postgresql://{ROLE}:{self.password}@127.0.0.1:{self.port}/{database}"

    def execute(self, database: str, statement: sql.SQL) -> None:
        with psycopg.connect(self.url(database)) as connection:
            connection.execute(statement)

    def rows(self, database: str, query: sql.SQL) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url(database)) as connection:
            return connection.execute(query).fetchall()


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Start a server and stop it at the end. Without Debian's package: a skip; in CI, which installs it, a failure."""
    folders = sorted(PROGRAMS.glob("*/bin/initdb"))
    if not folders:
        reason = "Postgres is not installed: apt-get install postgresql"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    programs = folders[-1].parent
    user = UNPRIVILEGED if os.geteuid() == 0 else None  # Postgres refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="wgan-postgres-"))
    try:
        data, password = folder / "data", secrets.token_urlsafe(18)
        (folder / "password").write_text(secrets.token_urlsafe(18))
        if user:
            owner = pwd.getpwnam(user)
            for path in (folder, folder / "password"):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        setup = ("--auth=scram-sha-256", "--username=admin", f"--pwfile={folder / 'password'}", "--encoding=UTF8")
        _quietly(programs / "initdb", "--no-sync", "--locale=C.UTF-8", *setup, str(data), user=user, cwd=folder)
        [port] = free_ports(1)
        options = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder, "fsync": "off"}
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        admin = f"host=127.0.0.1 port={port} user=admin dbname=postgres"
        secret = (folder / "password").read_text()

        def start() -> subprocess.Popen[bytes]:
            with (folder / "postgres.log").open("ab") as log:
                started = subprocess.Popen(
                    (programs / "postgres", "-D", data, *arguments), user=user, cwd=folder, stdout=log, stderr=log
                )
            wait_for(lambda: started.poll() is not None or _answers(admin, secret), 60)
            assert started.poll() is None, (folder / "postgres.log").read_text()
            return started

        def stop() -> None:
            server.send_signal(signal.SIGINT)  # fast shutdown: connections are closed
            server.wait(60)

        def restart() -> None:
            nonlocal server
            stop()
            server = start()

        server = start()
        try:
            with psycopg.connect(admin, password=secret, autocommit=True) as connection:
                connection.execute(
                    sql.SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {}").format(sql.Identifier(ROLE), password)
                )
            yield PostgresServer(port, password, restart)
        finally:
            stop()
    finally:
        shutil.rmtree(folder)


def on_postgres(postgres: PostgresServer, home: Path, mlflow: str, prefect: str, model: str) -> Settings:
    """Settings of a stack on two new, empty databases, which serves `model` (empty: none)."""
    addresses = {
        "mlflow_database_url": SecretStr(postgres.create_database(mlflow)),
        "prefect_database_url": SecretStr(postgres.create_database(prefect)),
    }
    return new_settings(home).model_copy(update={"serve": bool(model), "serve_models": model, **addresses})


@contextmanager
def stack_on_postgres(postgres: PostgresServer, home: Path) -> Iterator[Settings]:
    """A running stack without serving, both its databases on the server."""
    running = start_stack(on_postgres(postgres, home, "mlflow", "prefect", ""))
    try:
        yield running.settings
    finally:
        stop_stack(running)


def _quietly(program: Path, *arguments: str, user: str | None, cwd: Path) -> None:
    done = subprocess.run((program, *arguments), user=user, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _answers(address: str, password: str) -> bool:
    try:
        psycopg.connect(address, password=password, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
