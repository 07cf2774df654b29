"""What all clients of the MLflow server's HTTP API share: its URL, connection options and error messages.

Nothing here sends a request, so that serving may import it and remain read-only.
"""

from __future__ import annotations

import os
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ValidationError

from wgan.addresses import THIS_MACHINE
from wgan.errors import WganError
from wgan.settings import Settings

CONNECT_SECONDS = 3.0
READ_SECONDS = 10.0
"""Read timeout in seconds, also in the middle of a file."""
ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""MLflow's error codes for a missing model, version or alias."""

Answer = TypeVar("Answer", bound=BaseModel)


class Refusal(BaseModel):
    """MLflow's answer to a refused request."""

    error_code: str
    message: str | None = None


def registry_address(settings: Settings) -> str:
    """The MLflow server's URL. Raises `WganError` if the setting is not a URL."""
    where = settings.mlflow_tracking_uri.rstrip("/")
    if not where.startswith(("http://", "https://")):
        raise WganError(f"WGAN_MLFLOW_TRACKING_URI={where!r} is not the address of a server: http(s)://….")
    return where


def connection_options(settings: Settings) -> dict[str, Any]:
    """httpx's options for the MLflow server, for `Client` and `AsyncClient`."""
    parts = urlsplit(settings.mlflow_tracking_uri)
    here = parts.hostname in THIS_MACHINE
    return {
        "timeout": httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        "headers": _authorization(),
        "auth": _login(settings),
        "trust_env": not here,  # no proxy for this host
        # Without TLS no certificates are needed, and loading the CA bundle takes a while.
        "verify": not (here and parts.scheme == "http"),
    }


def validated(where: str, route: str, kind: type[Answer], body: bytes) -> Answer:
    """A successful answer, validated. Raises `WganError` if it is incomplete or invalid."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the document"
        raise WganError(
            f"the MLflow server at {where} gave an invalid answer to {route} ({place}: {first['msg']})."
        ) from None


def refusal(where: str, status: int, body: bytes) -> Refusal:
    """The content of an answer other than 200. Raises `WganError` if it requires a login or is not MLflow's."""
    if status == httpx.codes.UNAUTHORIZED:
        raise login_asked(where)
    try:
        return Refusal.model_validate_json(body)
    except ValidationError:
        raise WganError(f"{where} answers with status {status} and is not an MLflow server.") from None


def login_asked(where: str) -> WganError:
    """The error for a server that requires a login, with the remedy."""
    return WganError(
        f"the MLflow server at {where} requires a login: set WGAN_MLFLOW_USERNAME and "
        "WGAN_MLFLOW_PASSWORD to a user that may read."
    )


def reason_of(error: Exception) -> str:
    """The cause of an error, in one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def _authorization() -> dict[str, str]:
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _login(settings: Settings) -> tuple[str, str] | None:
    if settings.mlflow_username and settings.mlflow_password:
        return settings.mlflow_username, settings.mlflow_password.get_secret_value()
    user, word = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
    return (user, word) if user and word else None
