"""The three aliases of a model: champion, challenger, and the version a rollback returns to."""

from __future__ import annotations

from wgan.errors import UsageError
from wgan.mlflow_api.models import Models
from wgan.registry.client import registry, require_model, require_version
from wgan.settings import Settings

CHAMPION = "champion"
"""The version in production."""
CHALLENGER = "challenger"
"""The version that passed the gate and is on its way to production."""
PREVIOUS = "previous"
"""The version a rollback returns to."""


def read_aliases(models: Models, model: str) -> dict[str, int]:
    """Alias → version; empty if there is no such model."""
    found = models.model(model)
    return {} if found is None else dict(found.aliases)


def set_alias(models: Models, model: str, alias: str, version: int | None) -> None:
    """Point an alias at a version, or remove it."""
    if version is None:
        models.delete_alias(model, alias)
    else:
        models.set_alias(model, alias, version)


def model_aliases(model: str, settings: Settings) -> dict[str, int]:
    """Alias → version; empty if there is no such model. Raises `WganError`."""
    with registry(settings) as models:
        return read_aliases(models, model)


def alias_version(model: str, alias: str, settings: Settings) -> int | None:
    """The version under an alias; None if there is no such alias or model. Raises `WganError`."""
    return model_aliases(model, settings).get(alias)


def named_version(model: str, name: str, settings: Settings) -> int:
    """The number of a version given as a number or an alias. Raises `UsageError` listing the existing ones."""
    with registry(settings) as models:
        aliases = require_model(models, model).aliases
        if name.isascii() and name.isdigit():
            return require_version(models, model, int(name)).version
        if name not in aliases:
            there = ", ".join(f"{alias} (version {version})" for alias, version in sorted(aliases.items()))
            raise UsageError(
                f"{model} has no version or alias {name!r}: give a number, or an alias; "
                f"{f'there are {there}' if there else 'it has no aliases'}."
            )
        return aliases[name]


def champion_version(model: str, settings: Settings) -> int | None:
    """The version in production; None if there is none yet. Raises `WganError`."""
    return alias_version(model, CHAMPION, settings)
