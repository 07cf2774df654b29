"""Checks, before retraining or judging a version, that it can be compared with the champion."""

from __future__ import annotations

from wgan.config import NetworksConfig, RetrainConfig
from wgan.errors import ForeignVersion, UsageError
from wgan.records import DatasetRef
from wgan.registry.aliases import CHAMPION, champion_version
from wgan.registry.client import registry
from wgan.registry.judgement import DATA_DIGEST_TAG
from wgan.registry.versions import load_configuration, load_version
from wgan.settings import Settings

SHAPING = {"networks": tuple(NetworksConfig.model_fields), "data": ("image_size", "channels")}
"""Settings, by section, that determine the shapes of the networks."""


def require_comparable(config: RetrainConfig, settings: Settings) -> int | None:
    """The champion that this configuration will be compared with; None if there is none yet.

    Raises `UsageError` with the remedy if its images have another shape or this pipeline has no record of it, and
    `WganError` if the servers do not answer.
    """
    model, data = config.model_name, config.data
    champion = champion_version(model, settings)
    if champion is None:
        return None
    other_name = "give this configuration another data.name, which starts a new model"
    try:
        theirs = load_version(model, champion, settings).evaluation.training.dataset
    except ForeignVersion as error:
        own = _newest_own_version(model, champion, settings)
        back = "" if own is None else f"put the alias back (`wgan rollback {model} --to {own}`), or "
        raise UsageError(
            f"the champion of {model}, version {champion}, cannot be compared with a new version: "
            f"{str(error).rstrip('.')}. Nothing was done: {back}{other_name}."
        ) from None
    if (theirs.channels, theirs.image_size) != (data.channels, data.image_size):
        raise UsageError(
            f"{_wanted(config, theirs)} cannot be compared with the champion of {model}, version {champion}, which "
            f"makes images of {theirs.image_size}×{theirs.image_size} pixels in {theirs.channels} channel(s). Nothing "
            f"was done: {other_name}."
        )
    return champion


def version_to_start_from(config: RetrainConfig, settings: Settings) -> int | None:
    """The version that `training.start_from` names; None for freshly drawn networks.

    Raises `UsageError` if there is no such version or its networks have other shapes, `WganError` if the servers do not
    answer.
    """
    model, named = config.model_name, config.training.start_from
    if named == "none":
        return None
    version = champion_version(model, settings) if named == CHAMPION else int(named)
    if version is None:
        return None
    theirs = load_configuration(model, version, settings)
    pairs = [(section, name) for section, names in SHAPING.items() for name in names]
    for section, name in pairs:
        before, now = (getattr(getattr(side, section), name) for side in (theirs, config))
        if before != now:
            raise UsageError(
                f"training.start_from={named} is version {version} of {model}, which has {section}.{name}={before}; "
                f"this run has {now}: set the same, or training.start_from=none."
            )
    return version


def _wanted(config: RetrainConfig, theirs: DatasetRef) -> str:
    """The fields that differ, with their values."""
    wanted = {"image_size": config.data.image_size, "channels": config.data.channels}
    differing = [f"data.{name}={value}" for name, value in wanted.items() if value != getattr(theirs, name)]
    return " with ".join(differing)


def _newest_own_version(model: str, champion: int, settings: Settings) -> int | None:
    """The newest version with the tags of this pipeline, apart from the champion."""
    with registry(settings) as models:
        own = models.newest_versions(model, 2, f"tags.{DATA_DIGEST_TAG} LIKE '%'")
        return next((entry.version for entry in own if entry.version != champion), None)
