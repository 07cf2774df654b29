"""Preparation of a data set from Prefect's page."""

from __future__ import annotations

from prefect import flow

from flows.endings import completed, named_endings
from tasks.data import prepare_data as prepare
from tasks.data import publish_dataset
from wgan.config import DataConfig
from wgan.plugins import require_plugins
from wgan.records import DatasetRef


@flow(name="prepare_data", flow_run_name="{data.dataset_name}", persist_result=True)
@named_endings()
def prepare_data(data: DataConfig) -> DatasetRef:
    """Download, check and prepare a data set, or find it prepared; damaged copies are repaired.

    Args:
        data: The images, and how they are prepared.
    """
    require_plugins(data)
    dataset = prepare(data)
    publish_dataset(dataset)
    return completed(f"Prepared: {dataset.name}, {dataset.count:,} images, digest {dataset.digest[:12]}.", dataset)
