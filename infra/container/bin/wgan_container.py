"""What a container can wait for. Standard library alone where it can be: it is asked every few seconds."""

from __future__ import annotations

import base64
import os
import socket
import urllib.error
import urllib.request
from urllib.parse import urlsplit

SECONDS = 9.0


def first_obstacle(conditions: list[str]) -> str | None:
    """The first of the conditions that does not hold, in words; None when all do."""
    return next((obstacle for condition in conditions if (obstacle := _obstacle(condition))), None)


def _obstacle(condition: str) -> str | None:
    """What keeps the condition from holding, in words. The conditions:

    - `tcp://host:port` takes connections; `http://…` answers with 2xx.
    - `prefect`: the server of WGAN_PREFECT_API_URL knows the work pool.
    - `mlflow`: the server of WGAN_MLFLOW_TRACKING_URI lets this user in.
    - `bucket`: WGAN_BUCKET is there.
    - `migrated:prefect`, `migrated:mlflow`: the database has this version's tables.
    """
    if condition.startswith("tcp://"):
        return _tcp(condition)
    if condition.startswith(("http://", "https://")):
        return _answers(condition, condition, None)
    if condition == "prefect":
        url = f"{os.environ['WGAN_PREFECT_API_URL']}/work_pools/{os.environ.get('WGAN_WORK_POOL', 'wgan')}"
        return _answers(url, "the work pool", os.environ.get("WGAN_PREFECT_AUTH_STRING"))
    if condition == "mlflow":
        login = f"{os.environ.get('WGAN_MLFLOW_USERNAME', '')}:{os.environ.get('WGAN_MLFLOW_PASSWORD', '')}"
        url = f"{os.environ['WGAN_MLFLOW_TRACKING_URI']}/api/2.0/mlflow/experiments/search?max_results=1"
        return _answers(url, "MLflow", login)
    if condition == "bucket":
        return _bucket()
    if condition in ("migrated:prefect", "migrated:mlflow"):
        from wgan_migrations import migration_obstacle

        return migration_obstacle(condition.removeprefix("migrated:"))
    raise SystemExit(f"WAIT_FOR={condition!r} is unknown: see infra/container/bin/wgan_container.py.")


def _tcp(address: str) -> str | None:
    parts = urlsplit(address)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 0), SECONDS).close()
    except OSError as error:
        return f"{parts.netloc} takes no connection ({error.strerror or error})"
    return None


def _answers(url: str, what: str, login: str | None) -> str | None:
    request = urllib.request.Request(url)
    if login:
        request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the services are near
    try:
        opener.open(request, timeout=SECONDS).close()
    except urllib.error.HTTPError as error:
        return f"{what} at {urlsplit(url).netloc} is not ready (status {error.code})"
    except OSError as error:
        return f"{what} at {urlsplit(url).netloc} does not answer ({getattr(error, 'reason', error)})"
    return None


def _bucket() -> str | None:
    from wgan.errors import WganError
    from wgan.settings import load_settings
    from wgan.storage import open_storage

    settings = load_settings()
    storage = open_storage(settings)
    try:
        next(storage.list("."), None)
    except WganError as error:
        return f"the bucket {settings.bucket} is not ready ({str(error).rstrip('.')})"
    return None
