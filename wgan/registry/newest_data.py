"""The reference data set when a version is re-evaluated: the newest one its model was trained on."""

from __future__ import annotations

from wgan.config import DataConfig
from wgan.records import DatasetRef, ModelVersionRef
from wgan.registry.client import registry
from wgan.registry.listing import list_versions
from wgan.registry.versions import load_configuration, load_version
from wgan.settings import Settings


def version_of_data(model: str, data_digest: str, settings: Settings) -> int | None:
    """The newest version of the model trained on the data set with this digest; None if there is none yet."""
    with registry(settings) as models:
        if models.model(model) is None:
            return None
    return next((entry.version for entry in list_versions(model, settings) if entry.data_digest == data_digest), None)


def newest_data(version: ModelVersionRef, settings: Settings) -> tuple[DatasetRef, DataConfig]:
    """The data set of the model's latest version that makes images of the same shape as this one, and its request.

    A version must fit today's data, so both sides are judged on the newest, although neither may have been trained on
    it. Versions not registered by this pipeline are ignored. Raises `WganError`.
    """
    own = version.evaluation.training.dataset
    for entry in list_versions(version.model_name, settings):
        if entry.version <= version.version or entry.data_digest == own.digest:
            break
        if entry.data_digest is None:
            continue
        newest = load_version(version.model_name, entry.version, settings).evaluation.training.dataset
        if (newest.channels, newest.image_size) == (own.channels, own.image_size):
            return newest, load_configuration(version.model_name, entry.version, settings).data
    return own, load_configuration(version.model_name, version.version, settings).data
