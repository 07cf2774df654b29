"""The embedded servers: the command and variables of each, and what counts as healthy."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from wgan.guard import names_of
from wgan.settings import Settings
from wgan.stack.credentials import Credentials
from wgan.stack.databases import PostgresDatabase, database_of
from wgan.stack.environment import LOOPBACK, server_environment

S3_PROGRAM = """
import sys, uvicorn
from nanio.app import build_app
from wgan.guard import WholeRequests
uvicorn.run(WholeRequests(build_app()), host=sys.argv[1], port=int(sys.argv[2]), access_log=False)
"""
"""Runs `nanio serve` with a fix: by itself it takes the body of a refused upload for the next request."""


MLFLOW_PROGRAM = """
import sys, uvicorn
from mlflow.server.handlers import _get_model_registry_store, _get_tracking_store
_get_tracking_store(), _get_model_registry_store()
uvicorn.run("mlflow.server.fastapi_app:app", host=sys.argv[1], port=int(sys.argv[2]), access_log=False)
"""
"""Creates and opens the database before it serves: MLflow does so without a lock, so two early requests, some of which
its own start-up sends, would both create it and fail."""


PREFECT_PROGRAM = """
import sys, uvicorn
from prefect.server.api.server import create_app
from wgan.guard import OwnPages
application = OwnPages(create_app(final=True), names=sys.argv[3:], probes=("/api/health", "/api/ready"))
uvicorn.run(application, host=sys.argv[1], port=int(sys.argv[2]), log_level="warning", access_log=False)
"""
"""Runs `prefect server start` behind the guard: Prefect has no setting for its host names."""


@dataclass(frozen=True)
class Server:
    """How to run one embedded server. It runs in the home folder, which holds its database or files."""

    name: str
    title: str
    port: int
    port_setting: str
    health_path: str
    health_status: int
    """HTTP status of `health_path` once the server is ready."""
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    asks_others: bool = False
    """Started once the others are healthy."""

    @property
    def url(self) -> str:
        """URL for browsers and, except for Prefect's `/api`, for clients."""
        return f"http://{LOOPBACK}:{self.port}"

    def at(self, port: int) -> Server:
        """The same server for a health request on another port."""
        return replace(self, port=port)


def embedded_servers(settings: Settings, credentials: Credentials) -> tuple[Server, ...]:
    """nanio, MLflow, Prefect and, unless WGAN_SERVE is false, serving, in order of their dependencies."""
    servers = (
        s3_server(settings, credentials),
        mlflow_server(settings, credentials),
        prefect_server(settings, credentials),
    )
    return (*servers, serving_server(settings)) if settings.serve else servers


def s3_server(settings: Settings, credentials: Credentials) -> Server:
    """nanio: buckets are folders below `s3/`."""
    own = {
        "NANIO_ACCESS_KEY": credentials.access_key_id,
        "NANIO_SECRET_KEY": credentials.secret_access_key,
        "NANIO_DATA_DIR": "s3",
        "NANIO_REGION": settings.s3_region,
    }
    return Server(
        name="s3",
        title="S3 (nanio)",
        port=settings.s3_port,
        port_setting="WGAN_S3_PORT",
        health_path="/",
        health_status=403,  # it refuses unsigned requests: it has its credentials
        command=_program(S3_PROGRAM, LOOPBACK, str(settings.s3_port)),
        environment=server_environment(_home(settings), own),
    )


def mlflow_server(settings: Settings, credentials: Credentials) -> Server:
    """MLflow with SQLite or the Postgres of WGAN_MLFLOW_DATABASE_URL, artifacts proxied to S3.

    This is the process that `mlflow server --workers 1 --serve-artifacts --artifacts-destination s3://…` would start,
    with the variables it would set (`mlflow.server._run_server`), but without the parent command that only waits for
    it: half the memory and half the start time. Job execution is off, since nothing here uses it.
    """
    database = database_of("mlflow", settings)
    url = database.url("psycopg") if isinstance(database, PostgresDatabase) else "sqlite:///mlflow.db"
    own = {
        "_MLFLOW_SERVER_FILE_STORE": url,
        "_MLFLOW_SERVER_REGISTRY_STORE": url,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": f"s3://{settings.bucket}/{settings.mlflow_prefix}",
        "_MLFLOW_SGI_NAME": "uvicorn",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(names_of(settings.mlflow_public_url)),
        "MLFLOW_S3_ENDPOINT_URL": f"http://{LOOPBACK}:{settings.s3_port}",
        "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE": "path",
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_DEFAULT_REGION": settings.s3_region,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return Server(
        name="mlflow",
        title="MLflow",
        port=settings.mlflow_port,
        port_setting="WGAN_MLFLOW_PORT",
        health_path="/api/2.0/mlflow/experiments/search?max_results=1",  # needs the database
        health_status=200,
        command=_program(MLFLOW_PROGRAM, LOOPBACK, str(settings.mlflow_port)),
        environment=server_environment(_home(settings), own),
    )


def prefect_server(settings: Settings, credentials: Credentials) -> Server:
    """Prefect's API, UI and scheduler services in one process, with SQLite or WGAN_PREFECT_DATABASE_URL's Postgres.

    Anybody with access to its API can make a worker run something, so it requires a login, and its own host name and
    origin.
    """
    database = database_of("prefect", settings)
    url = database.url("asyncpg") if isinstance(database, PostgresDatabase) else "sqlite+aiosqlite:///prefect.db"
    own = {
        "PREFECT_HOME": "prefect",
        "PREFECT_API_URL": f"http://{LOOPBACK}:{settings.prefect_port}/api",
        "PREFECT_SERVER_API_AUTH_STRING": credentials.prefect_login,
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(
            f"http://{name}:{settings.prefect_port}" for name in (LOOPBACK, "localhost")
        ),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": url,
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        # Slot holders must survive a restart: kept in memory, a slot taken before it would never be released.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    }
    names = names_of(settings.prefect_public_url)
    return Server(
        name="prefect",
        title="Prefect",
        port=settings.prefect_port,
        port_setting="WGAN_PREFECT_PORT",
        health_path="/api/ready",
        health_status=200,
        command=_program(PREFECT_PROGRAM, LOOPBACK, str(settings.prefect_port), *names),
        environment=server_environment(_home(settings), own),
    )


def serving_server(settings: Settings) -> Server:
    """`wgan serve` for WGAN_SERVE_MODELS or all models with a champion: it starts before there is any."""
    inherited = {
        name: value for name, value in os.environ.items() if name.startswith("WGAN_SERVE_") or name == "WGAN_CACHE_DIR"
    }
    own = {
        "WGAN_HOME": str(_home(settings)),
        "WGAN_MLFLOW_TRACKING_URI": f"http://{LOOPBACK}:{settings.mlflow_port}",
        "WGAN_PREFECT_API_URL": f"http://{LOOPBACK}:{settings.prefect_port}/api",  # for the front page
    }
    options = ("--host", LOOPBACK, "--port", str(settings.serve_port))
    return Server(
        name="serving",
        title="Serving",
        port=settings.serve_port,
        port_setting="WGAN_SERVE_PORT",
        health_path="/healthz",
        health_status=200,
        command=_python("wgan", "serve", *settings.models_to_serve, *options),
        environment=server_environment(_home(settings), {**inherited, **own}),
        asks_others=True,
    )


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-P", "-m", module, *arguments)


def _program(text: str, *arguments: str) -> tuple[str, ...]:
    """Run the text. `-P`: the server's working folder holds data and is not searched for code."""
    return (sys.executable, "-P", "-c", text, *arguments)


def _home(settings: Settings) -> Path:
    return settings.home.resolve()
