"""Data: the images of a configuration, prepared and in S3."""

from __future__ import annotations

from prefect.artifacts import create_markdown_artifact

from tasks.connections import connect
from tasks.progress import progress_artifact
from tasks.retrying import retried_task
from tasks.run_logs import log_dataset
from wgan import progress
from wgan.config import DataConfig
from wgan.data.prepare import prepare_dataset
from wgan.records import DatasetRef, RetrainSkipped
from wgan.steps.new_data import too_little_new


@retried_task("prepare data")
def prepare_data(config: DataConfig) -> DatasetRef:
    """Download, check and prepare the data set, or find it prepared."""
    settings, storage = connect()
    storage.ensure_bucket()
    with progress_artifact("data", f"Preparing {config.dataset_name}"):
        dataset = prepare_dataset(config, settings, storage, progress.report, verify=True)
    log_dataset(dataset)
    return dataset


@retried_task("publish data set")
def publish_dataset(dataset: DatasetRef) -> None:
    """What the data set is made of, as an artifact."""
    left_out = "".join(f"\n| Left out: {entry.reason} | {entry.count:,} |" for entry in dataset.left_out)
    create_markdown_artifact(
        markdown=f"# Data set {dataset.name}\n\n| | |\n|---|---|\n| Images to train on | {dataset.count:,} |\n"
        f"| Held out | {dataset.held_out_count:,} |\n| Size | {dataset.image_size}×{dataset.image_size}, "
        f"{dataset.channels} channel(s) |\n| Classes | {len(dataset.classes) or 'none'} |{left_out}\n"
        f"| Digest | `{dataset.digest}` |\n| Manifest | `{dataset.uri}` |\n",
        key="data-report",
        description=dataset.name,
    )


@retried_task("check for changes")
def find_too_little_new(model_name: str, dataset: DatasetRef, min_new: str | None) -> RetrainSkipped | None:
    """Why the data is not worth a training: it is unchanged, or less of it is new than `min_new`; None if it is."""
    settings, storage = connect()
    skipped = too_little_new(model_name, dataset, min_new, settings, storage)
    if skipped is not None:
        announce_skipped(skipped)
    return skipped


def announce_skipped(skipped: RetrainSkipped) -> None:
    """Say why nothing is trained, in the log and as an artifact."""
    reason = f"Nothing to train: {skipped.reason}"
    progress.announce("data", reason)
    create_markdown_artifact(markdown=reason, key="retraining-skipped", description=skipped.dataset.name)
