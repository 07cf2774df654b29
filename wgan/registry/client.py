"""One way to talk to MLflow's model registry: failures are one sentence, unknown names say what there is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from wgan.errors import UsageError, WganError
from wgan.settings import Settings

ANSWER_SECONDS = 10.0
"""How long the server may take to say that it is there."""
ARTIFACT_ROUTE = "/mlflow-artifacts/"
"""In the address of every request for files, which the server passes on to the object store."""


@contextmanager
def registry(settings: Settings) -> Iterator[MlflowClient]:
    """A client of the settings' MLflow server, whatever this process's own tracking address is.

    Raises `WganError` in one sentence naming the server and the setting that moves it, at once when nobody answers.
    """
    where = settings.mlflow_tracking_uri
    remedy = "start the embedded stack with `wgan up`, or set WGAN_MLFLOW_TRACKING_URI"
    if where.startswith(("http://", "https://")):
        try:
            # MLflow's own client retries for minutes before it says that a server is not there.
            httpx.get(f"{where.rstrip('/')}/health", timeout=ANSWER_SECONDS)
        except httpx.HTTPError as error:
            raise WganError(f"the MLflow server at {where} does not answer ({error}): {remedy}.") from None
    try:
        yield MlflowClient(tracking_uri=where, registry_uri=where)
    except MlflowException as error:
        if ARTIFACT_ROUTE in str(error):
            raise WganError(
                f"the MLflow server at {where} does not pass files on, so the object store behind it may be down: "
                "`wgan status` shows it, `wgan up` starts the embedded one."
            ) from None
        reason = " ".join(str(error).split())[:300].rstrip(".")
        raise WganError(f"the MLflow server at {where} failed: {reason}; {remedy}.") from None


def find_model(client: MlflowClient, model: str) -> Any | None:
    """The registered model, or None."""
    try:
        return client.get_registered_model(model)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def require_model(client: MlflowClient, model: str) -> Any:
    """The registered model. Raises `UsageError` naming the models there are."""
    found = find_model(client, model)
    if found is None:
        names = ", ".join(entry.name for entry in every(client.search_registered_models))
        there = f"there are {names}" if names else "none is registered yet, `wgan retrain` makes one"
        raise UsageError(f"there is no registered model {model!r}: {there}.")
    return found


def require_version(client: MlflowClient, model: str, version: int) -> Any:
    """The model version. Raises `UsageError` naming the models, or the versions, there are."""
    require_model(client, model)
    try:
        return client.get_model_version(model, str(version))
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
    found = sorted(int(entry.version) for entry in every(client.search_model_versions, f"name = '{model}'"))
    there = f"there are {', '.join(map(str, found))}" if found else "it has no versions"
    raise UsageError(f"{model} has no version {version}: {there}.")


def every(search: Any, filter_string: str | None = None) -> Iterator[Any]:
    """All results of one of the client's paged searches."""
    page = search(filter_string=filter_string)
    yield from page
    while page.token:
        page = search(filter_string=filter_string, page_token=page.token)
        yield from page
