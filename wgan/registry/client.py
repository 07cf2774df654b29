"""The model registry of the configured MLflow server; errors for unknown names list existing ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

from wgan.errors import UsageError
from wgan.mlflow_api.models import Models, ModelVersion, RegisteredModel
from wgan.mlflow_api.requests import Mlflow
from wgan.settings import Settings

NAMED = 20
"""Maximum number of names or versions listed in a sentence."""


@contextmanager
def registry(settings: Settings) -> Iterator[Models]:
    """The registry, for the duration of the block.

    Failures inside raise `WganError` in one sentence that names the server, and its setting if the server does not
    answer.
    """
    with Mlflow(settings) as server:
        yield Models(server)


def require_model(models: Models, name: str) -> RegisteredModel:
    """The registered model. Raises `UsageError` listing existing models."""
    found = models.model(name)
    if found is None:
        names = [model.name for model in islice(models.models(), NAMED + 1)]
        more = " and more" if len(names) > NAMED else ""
        there = (
            f"there are {', '.join(names[:NAMED])}{more}"
            if names
            else "none is registered yet, `wgan retrain` creates one"
        )
        raise UsageError(f"there is no registered model {name!r}: {there}.")
    return found


def require_version(models: Models, name: str, number: int) -> ModelVersion:
    """The model version. Raises `UsageError` listing existing models or versions."""
    found = models.version(name, number)
    if found is None:
        require_model(models, name)
        numbers = newest_numbers(models, name)
        there = f"there are {numbers}" if numbers else "it has no versions"
        raise UsageError(f"{name} has no version {number}: {there}.")
    return found


def newest_numbers(models: Models, name: str) -> str:
    """The model's newest versions in words: `1, 2, 3`; empty if it has none."""
    found = [version.version for version in islice(models.newest_versions(name, NAMED + 1), NAMED + 1)]
    numbers = ", ".join(map(str, sorted(found[:NAMED])))
    return f"{numbers} and older ones" if len(found) > NAMED else numbers
