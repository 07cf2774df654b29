"""Data: the images of a configuration, prepared and in S3."""

from __future__ import annotations

from tasks.connections import connect
from tasks.progress import progress_artifact
from tasks.retrying import retried_task
from wgan import progress
from wgan.config import DataConfig
from wgan.data.prepare import prepare_dataset
from wgan.records import DatasetRef


@retried_task("prepare data")
def prepare_data(config: DataConfig) -> DatasetRef:
    """Download, check and prepare the data set, or find it prepared."""
    settings, storage = connect()
    storage.ensure_bucket()
    with progress_artifact("data", f"Preparing {config.dataset_name}"):
        return prepare_dataset(config, settings, storage, progress.report, verify=True)
