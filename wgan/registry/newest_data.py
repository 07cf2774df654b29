"""Which data set is the reference when a version is judged again: the newest that the model has seen."""

from __future__ import annotations

from wgan.config import DataConfig
from wgan.records import DatasetRef, ModelVersionRef
from wgan.registry.listing import list_versions
from wgan.registry.versions import load_configuration, load_version
from wgan.settings import Settings


def newest_data(version: ModelVersionRef, settings: Settings) -> tuple[DatasetRef, DataConfig]:
    """The data set of the model's latest version that makes images of the same shape as this one, and its request.

    A version is to serve today's world, so both sides are judged on the newest data, though neither may have been
    trained on it. Versions that this pipeline did not register are passed over. Raises `WganError`.
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
