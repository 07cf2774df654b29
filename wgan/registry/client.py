"""The model registry of the configured MLflow server; errors for unknown names list the existing ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from wgan.errors import UsageError
from wgan.mlflow_api.models import Models, ModelVersion, RegisteredModel
from wgan.mlflow_api.requests import Mlflow
from wgan.settings import Settings


@contextmanager
def registry(settings: Settings) -> Iterator[Models]:
    """The registry, for the duration of the block.

    Failures inside raise `WganError` in one sentence that names the server, and its setting if the server does not
    answer.
    """
    with Mlflow(settings) as server:
        yield Models(server)


def require_model(models: Models, name: str) -> RegisteredModel:
    """The registered model. Raises `UsageError` listing the existing models."""
    found = models.model(name)
    if found is None:
        names = ", ".join(sorted(model.name for model in models.models()))
        there = f"there are {names}" if names else "none is registered yet, `wgan retrain` creates one"
        raise UsageError(f"there is no registered model {name!r}: {there}.")
    return found


def require_version(models: Models, name: str, number: int) -> ModelVersion:
    """The model version. Raises `UsageError` listing the existing models or versions."""
    found = models.version(name, number)
    if found is None:
        require_model(models, name)
        numbers = sorted(version.version for version in models.versions(name))
        there = f"there are {', '.join(map(str, numbers))}" if numbers else "it has no versions"
        raise UsageError(f"{name} has no version {number}: {there}.")
    return found
