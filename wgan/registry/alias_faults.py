"""What is wrong with a model's champion because somebody moved or removed it outside this pipeline, in one sentence."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from wgan.mlflow_api.models import Models, ModelVersion, RegisteredModel
from wgan.model_version.way import ONCE_CHAMPION, last_entry
from wgan.registry.aliases import CHAMPION
from wgan.registry.client import registry
from wgan.registry.listing import GATE_TAG
from wgan.registry.versions import CHECKPOINT_TAG
from wgan.settings import Settings

LOOKED_AT = 20
"""Newest versions among which a former champion is looked for."""


def alias_fault(model: RegisteredModel, champion: ModelVersion | None, newest: Iterable[ModelVersion]) -> str | None:
    """What is wrong with the model's champion; None if nothing is. `newest`: some of its versions."""
    remedy = f"`wgan rollback {model.name} --to VERSION` sets one of this pipeline's"
    number = model.aliases.get(CHAMPION)
    if number is None:
        former = next((version.version for version in newest if _was_champion(version)), None)
        if former is None:
            return None
        return (
            f"{model.name} has no champion, although version {former} was one: the alias or its version was removed "
            f"outside this pipeline. Serving keeps the version that it has; {remedy}."
        )
    if champion is None or CHECKPOINT_TAG not in champion.tags:
        return (
            f"The champion of {model.name}, version {number}, was not registered by this pipeline, so it cannot be "
            f"verified. Serving keeps the version that it has; {remedy}."
        )
    return None


def fault_of(models: Models, model: RegisteredModel) -> str | None:
    """The same, asked of the registry. Raises `WganError`."""
    number = model.aliases.get(CHAMPION)
    if number is None:
        return alias_fault(model, None, islice(models.newest_versions(model.name, LOOKED_AT), LOOKED_AT))
    return alias_fault(model, models.version(model.name, number), ())


def alias_faults(settings: Settings) -> list[str]:
    """What is wrong with the champions of all models. Raises `WganError`."""
    with registry(settings) as models:
        return [fault for model in list(models.models()) if (fault := fault_of(models, model)) is not None]


def model_fault(model: str, settings: Settings) -> str | None:
    """What is wrong with the champion of one model; None also if there is no such model. Raises `WganError`."""
    with registry(settings) as models:
        found = models.model(model)
        return None if found is None else fault_of(models, found)


def _was_champion(version: ModelVersion) -> bool:
    entry = last_entry(version.tags)
    return (entry.action if entry else version.tags.get(GATE_TAG)) in ONCE_CHAMPION
