"""The three aliases of a model: what is served, what wants to be, and what a rollback returns to."""

from __future__ import annotations

from mlflow import MlflowClient

from wgan.errors import UsageError
from wgan.registry.client import find_model, registry, require_model, require_version
from wgan.settings import Settings

CHAMPION = "champion"
"""The version that is served."""
CHALLENGER = "challenger"
"""The last version that the gate refused."""
PREVIOUS = "previous"
"""The version a rollback returns to."""


def read_aliases(client: MlflowClient, model: str) -> dict[str, int]:
    """Alias → version; empty when there is no such model."""
    found = find_model(client, model)
    return {} if found is None else {alias: int(version) for alias, version in found.aliases.items()}


def set_alias(client: MlflowClient, model: str, alias: str, version: int | None) -> None:
    """Point an alias at a version, or remove it."""
    if version is None:
        client.delete_registered_model_alias(model, alias)
    else:
        client.set_registered_model_alias(model, alias, str(version))


def alias_version(model: str, alias: str, settings: Settings) -> int | None:
    """The version under an alias; None when there is no such alias or model. Raises `WganError`."""
    with registry(settings) as client:
        return read_aliases(client, model).get(alias)


def named_version(model: str, name: str, settings: Settings) -> int:
    """The number of a version given as a number or an alias. Raises `UsageError` naming what there is."""
    with registry(settings) as client:
        require_model(client, model)
        if name.isascii() and name.isdigit():
            return int(require_version(client, model, int(name)).version)
        aliases = read_aliases(client, model)
        if name not in aliases:
            there = ", ".join(f"{alias} (version {version})" for alias, version in sorted(aliases.items()))
            raise UsageError(
                f"{model} has no version or alias {name!r}: give a number, or an alias; "
                f"{f'there are {there}' if there else 'it has no aliases'}."
            )
        return aliases[name]


def champion_version(model: str, settings: Settings) -> int | None:
    """The version in production; None when there is none yet. Raises `WganError`."""
    return alias_version(model, CHAMPION, settings)
