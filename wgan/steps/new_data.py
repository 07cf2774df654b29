"""Whether a data set has enough images that the model's newest version was not trained on."""

from __future__ import annotations

import numpy as np

from wgan.amounts import images_of
from wgan.data.pixel_hashes import pixel_hashes
from wgan.durations import counted
from wgan.records import DatasetRef, RetrainSkipped
from wgan.registry.newest_data import data_of_newest, version_of_data
from wgan.settings import Settings
from wgan.storage import Storage


def too_little_new(
    model: str, dataset: DatasetRef, min_new: str | None, settings: Settings, storage: Storage
) -> RetrainSkipped | None:
    """Why the data set is not worth a training; None if it is.

    It is not if a version of the model was trained on exactly this data, or if it has fewer images than `min_new`, a
    number or a share, that are not among those of the newest version, pixel for pixel. Raises `WganError`.
    """
    version = version_of_data(model, dataset.digest, settings)
    if version is not None:
        return RetrainSkipped(
            dataset=dataset,
            model_name=model,
            version=version,
            reason=f"the data is unchanged; {model} version {version} was trained on it (digest "
            f"{dataset.digest[:12]}).",
            in_short=f"nothing new since version {version}",
        )
    newest = data_of_newest(model, settings) if min_new is not None else None
    if min_new is None or newest is None:
        return None
    version, before = newest
    new, wanted = count_new(dataset, before, settings, storage), images_of(min_new, _count(before))
    if new >= wanted:
        return None
    return RetrainSkipped(
        dataset=dataset,
        model_name=model,
        version=version,
        reason=f"{counted(new, 'image is', 'images are')} new since {model} version {version}, and at least {wanted:,} "
        f"are asked for{f' ({min_new} of {_count(before):,})' if min_new.endswith('%') else ''}.",
        in_short=f"{new:,} new since version {version}",
    )


def count_new(dataset: DatasetRef, before: DatasetRef, settings: Settings, storage: Storage) -> int:
    """Images of a data set that an earlier one does not have; all of them if its images have another shape.

    Raises `DatasetDamaged`, `StorageError`.
    """
    if (dataset.channels, dataset.image_size) != (before.channels, before.image_size):
        return _count(dataset)
    now, then = (pixel_hashes(each, settings, storage) for each in (dataset, before))
    return int((~np.isin(now, then)).sum())


def _count(dataset: DatasetRef) -> int:
    return dataset.count + dataset.held_out_count
