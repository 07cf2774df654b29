"""Checks, before retraining or judging a version, that it can be compared with the champion."""

from __future__ import annotations

from wgan.config import RetrainConfig
from wgan.errors import ForeignVersion, UsageError
from wgan.records import DatasetRef
from wgan.registry.aliases import champion_version
from wgan.registry.listing import list_versions
from wgan.registry.versions import load_version
from wgan.settings import Settings


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
        own = _own_versions(model, champion, settings)
        back = f"put the alias back (`wgan rollback {model} --to {own[0]}`), or " if own else ""
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


def _wanted(config: RetrainConfig, theirs: DatasetRef) -> str:
    """The fields that differ, with their values."""
    wanted = {"image_size": config.data.image_size, "channels": config.data.channels}
    differing = [f"data.{name}={value}" for name, value in wanted.items() if value != getattr(theirs, name)]
    return " with ".join(differing)


def _own_versions(model: str, champion: int, settings: Settings) -> list[int]:
    """Versions registered by this pipeline, by their tags, newest first."""
    return [
        entry.version
        for entry in list_versions(model, settings)
        if entry.version != champion and entry.data_digest is not None
    ]
