"""The model registry of the settings' MLflow server, where unknown names are answered with what there is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from wgan.errors import UsageError
from wgan.mlflow_api.models import Models, ModelVersion, RegisteredModel
from wgan.mlflow_api.requests import Mlflow
from wgan.settings import Settings


@contextmanager
def registry(settings: Settings) -> Iterator[Models]:
    """The registry, for the time of the block.

    What fails in it raises `WganError` in one sentence naming the server, and the setting that moves it where nobody
    answers.
    """
    with Mlflow(settings) as server:
        yield Models(server)


def require_model(models: Models, name: str) -> RegisteredModel:
    """The registered model. Raises `UsageError` naming the models there are."""
    found = models.model(name)
    if found is None:
        names = ", ".join(sorted(model.name for model in models.models()))
        there = f"there are {names}" if names else "none is registered yet, `wgan retrain` makes one"
        raise UsageError(f"there is no registered model {name!r}: {there}.")
    return found


def require_version(models: Models, name: str, number: int) -> ModelVersion:
    """The model version. Raises `UsageError` naming the models, or the versions, there are."""
    found = models.version(name, number)
    if found is None:
        require_model(models, name)
        numbers = sorted(version.version for version in models.versions(name))
        there = f"there are {', '.join(map(str, numbers))}" if numbers else "it has no versions"
        raise UsageError(f"{name} has no version {number}: {there}.")
    return found
