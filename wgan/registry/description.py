"""What the registry's page shows of a version: its model card, written anew when more has been measured."""

from __future__ import annotations

from wgan.config import RetrainConfig
from wgan.records import ModelVersionRef
from wgan.registry.card import version_card
from wgan.registry.client import registry
from wgan.settings import Settings


def describe_version(version: ModelVersionRef, config: RetrainConfig, settings: Settings) -> None:
    """Write the version's model card, with what has been measured of it so far. Raises `WganError`."""
    with registry(settings) as models:
        models.describe_version(version.model_name, version.version, version_card(version, config))
