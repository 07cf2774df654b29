"""A version's description on the registry's page: its model card, rewritten after each measurement."""

from __future__ import annotations

from wgan.config import RetrainConfig
from wgan.records import ModelVersionRef
from wgan.registry.card import version_card
from wgan.registry.client import registry
from wgan.settings import Settings


def describe_version(version: ModelVersionRef, config: RetrainConfig, settings: Settings) -> None:
    """Write the version's model card, with its measurements so far. Raises `WganError`."""
    with registry(settings) as models:
        models.describe_version(version.model_name, version.version, version_card(version, config))
