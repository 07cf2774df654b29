"""MLflow's client, with failures as one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from requests import RequestException

from wgan.errors import WganError
from wgan.settings import Settings


def tracking_client(settings: Settings) -> MlflowClient:
    """A client of the configured MLflow server, which also becomes the process's tracking server."""
    mlflow.set_tracking_uri(settings.mlflow_tracking_uri)
    return MlflowClient(settings.mlflow_tracking_uri, settings.mlflow_tracking_uri)


@contextmanager
def tracking(settings: Settings) -> Iterator[MlflowClient]:
    """A client whose failures become one sentence.

    Raises `WganError` naming the server and the setting that moves it.
    """
    try:
        yield tracking_client(settings)
    except (MlflowException, RequestException) as error:  # MLflow does not wrap its HTTP client's errors
        reason = " ".join(str(error).split())
        raise WganError(
            f"the MLflow server at {settings.mlflow_tracking_uri} failed: {reason[:300]} "
            "(start the embedded stack with `wgan up`, or set WGAN_MLFLOW_TRACKING_URI)."
        ) from None
