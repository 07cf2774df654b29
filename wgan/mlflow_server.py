"""The MLflow server as every client of its HTTP API meets it: where it is, how one connects, what failures are called.

Nothing here sends a request, so that serving may import it and stay unable to write.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

import httpx

from wgan.addresses import THIS_MACHINE
from wgan.errors import WganError
from wgan.settings import Settings

CONNECT_SECONDS = 3.0
READ_SECONDS = 10.0
"""Longest silence of the server, also in the middle of a file."""


def registry_address(settings: Settings) -> str:
    """The MLflow server's address. Raises `WganError` when the setting is none."""
    where = settings.mlflow_tracking_uri.rstrip("/")
    if not where.startswith(("http://", "https://")):
        raise WganError(f"WGAN_MLFLOW_TRACKING_URI={where!r} is not the address of a server: http(s)://….")
    return where


def connection_options(settings: Settings) -> dict[str, Any]:
    """How httpx connects to the MLflow server, for `Client` and `AsyncClient`."""
    host = urlsplit(settings.mlflow_tracking_uri).hostname
    return {
        "timeout": httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        "headers": _authorization(),
        "auth": _login(settings),
        "trust_env": host not in THIS_MACHINE,  # an office proxy is not asked for this host
    }


def reason_of(error: Exception) -> str:
    """What went wrong, in one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def _authorization() -> dict[str, str]:
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _login(settings: Settings) -> tuple[str, str] | None:
    if settings.mlflow_username and settings.mlflow_password:
        return settings.mlflow_username, settings.mlflow_password.get_secret_value()
    user, word = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
    return (user, word) if user and word else None
