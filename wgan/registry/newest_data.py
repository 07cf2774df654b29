"""The reference data set when a version is re-evaluated: the newest one its model was trained on."""

from __future__ import annotations

from wgan.config import DataConfig
from wgan.records import DatasetRef, ModelVersionRef
from wgan.registry.client import registry
from wgan.registry.judgement import DATA_DIGEST_TAG
from wgan.registry.versions import load_configuration, load_version
from wgan.settings import Settings

A_PAGE = 5
"""Versions a request: nearly always the first one decides."""


def version_of_data(model: str, data_digest: str, settings: Settings) -> int | None:
    """The newest version of the model trained on the data set with this digest; None if there is none yet."""
    with registry(settings) as models:
        trained_on_it = models.newest_versions(model, 1, f"tags.{DATA_DIGEST_TAG} = '{data_digest}'")
        return next((version.version for version in trained_on_it), None)


def data_of_newest(model: str, settings: Settings) -> tuple[int, DatasetRef] | None:
    """The model's latest version that this pipeline registered, and its data set; None if there is none yet."""
    with registry(settings) as models:
        own = models.newest_versions(model, 1, f"tags.{DATA_DIGEST_TAG} LIKE '%'")
        version = next((entry.version for entry in own), None)
    return None if version is None else (version, load_version(model, version, settings).evaluation.training.dataset)


def newest_data(version: ModelVersionRef, settings: Settings) -> tuple[DatasetRef, DataConfig]:
    """The data set of the model's latest version that makes images of the same shape as this one, and its request.

    A version must fit today's data, so both sides are judged on the newest, although neither may have been trained on
    it. Versions not registered by this pipeline are ignored. Raises `WganError`.
    """
    model, own = version.model_name, version.evaluation.training.dataset
    with registry(settings) as models:
        for entry in models.newest_versions(model, A_PAGE):
            digest = entry.tags.get(DATA_DIGEST_TAG)
            if entry.version <= version.version or digest == own.digest:
                break
            if digest is None:
                continue
            newest = load_version(model, entry.version, settings).evaluation.training.dataset
            if (newest.channels, newest.image_size) == (own.channels, own.image_size):
                return newest, load_configuration(model, entry.version, settings).data
    return own, load_configuration(model, version.version, settings).data
