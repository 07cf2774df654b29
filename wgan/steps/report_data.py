"""The report on a prepared data set: made, judged by the rules, and kept beside the data set in S3."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

from wgan import progress
from wgan.config import RetrainConfig, registered_name
from wgan.data.dataset import PreparedImages, open_dataset, open_origins
from wgan.data.description import find_dataset
from wgan.data.manifest import DatasetDamaged, dataset_prefix
from wgan.data.pixel_hashes import pixel_hashes, store_pixel_hashes
from wgan.data_report.acceptance import read_acceptance, write_acceptance
from wgan.data_report.judgement import judge
from wgan.data_report.make import make_report, measure_data, pictures, shared_images
from wgan.data_report.page import report_html
from wgan.data_report.record import Acceptance, DataReport
from wgan.errors import DataRefused, UsageError
from wgan.records import DatasetRef, ModelVersionRef, RetrainSkipped, TrainingRef
from wgan.registry.aliases import champion_version
from wgan.registry.versions import load_version
from wgan.scratch import scratch_folder
from wgan.settings import Settings
from wgan.storage import Storage
from wgan.tracking.runs import log_file, log_values

log = logging.getLogger(__name__)

PAGE_NAME, RECORD_NAME = "report.html", "report.json"
ARTIFACTS = "data"
"""Folder of the run's artifacts."""
ACCEPTED_TAG = "wgan.data_accepted"
"""Why the data set was trained on although its rules refuse it."""
SHORTEST_DIGEST = 8
"""Characters of a digest that is accepted, at least."""


def report_data(
    dataset: DatasetRef,
    against: DatasetRef | None,
    config: RetrainConfig,
    settings: Settings,
    storage: Storage,
    champion: ModelVersionRef | None = None,
) -> DataReport:
    """Make the report, apply `data.rules`, and store page and record beside the data set; an earlier one is replaced.

    `config.evaluation` says in which features drift is measured, and on how many images. `champion` is a version that
    was trained on the other data set, and whose samples are compared with both. The comparison is left out, with a
    warning, if the other data set cannot be read or has images of another shape. Raises `DatasetDamaged`,
    `StorageError`, and what opening the features raises.
    """
    images, other = open_dataset(dataset, settings, storage), _other(dataset, against, settings, storage)
    data = measure_data(images, settings.prepare_workers, progress.report)
    origins, hashes = open_origins(dataset, settings, storage), data.measures.hashes.pixels
    store_pixel_hashes(dataset, hashes, settings, storage)
    if other is None:
        report = make_report(data, origins)
    else:
        from wgan.steps.measure_drift import with_drift  # imports torch

        known = pixel_hashes(other.ref, settings, storage)
        report = make_report(data, origins, shared_images(hashes, other.ref.digest, known))
        report = with_drift(report, other, images, origins, config.evaluation, settings, storage, champion)
    report = judge(report, config.data.rules)
    report = report.model_copy(update={"accepted": read_acceptance(dataset, settings, storage)})
    prefix = dataset_prefix(settings, dataset.name, dataset.digest)
    page = report_html(report, pictures(data, report))
    storage.put_bytes(f"{prefix}{PAGE_NAME}", page.encode(), "text/html; charset=utf-8")
    storage.put_bytes(f"{prefix}{RECORD_NAME}", report.model_dump_json(indent=1).encode(), "application/json")
    return report


def report_page(dataset: DatasetRef, settings: Settings, storage: Storage) -> bytes:
    """The HTML page of the newest report. Raises `ObjectMissing`."""
    return storage.get_bytes(dataset_prefix(settings, dataset.name, dataset.digest) + PAGE_NAME)


def find_champion(model: str, settings: Settings) -> ModelVersionRef | None:
    """The record of the model's champion; None without one. Raises `WganError`."""
    version = champion_version(model, settings)
    return None if version is None else load_version(model, version, settings)


def without_drift(model: str, report: DataReport, settings: Settings) -> RetrainSkipped | None:
    """Why no drift asks for a training on the data set of a report beside the champion's; None if one does.

    None, too, if there is no champion, or too few images to measure drift. Raises `WganError`.
    """
    drift, champion = report.drift, champion_version(model, settings)
    if champion is None or drift is None or report.moved:
        return None
    figures = f"the Fréchet distance from its data is {drift.times:.2f} times that between two halves of it"
    if drift.samples:
        figures += f", and that of its samples {drift.samples.times:.2f} times that from its own data"
    return RetrainSkipped(
        dataset=report.dataset,
        model_name=model,
        version=champion,
        reason=f"the data has not moved from that of the champion, {model} version {champion}, beyond data.rules: "
        f"{figures}.",
        in_short=f"no drift since version {champion}",
    )


def data_to_compare(name: str, against: str, settings: Settings, storage: Storage) -> DatasetRef:
    """The data set that `--against` names: a digest's beginning, or `champion`. Raises `UsageError`."""
    if against != "champion":
        return find_dataset(name, against, settings, storage)
    model = registered_name(name)
    found = find_champion(model, settings)
    if found is None:
        raise UsageError(f"{model} has no champion to compare with; --against also takes a digest.")
    return found.evaluation.training.dataset


def accept_data(
    dataset: DatasetRef, digest: str, reason: str | None, flow_run_id: str | None, settings: Settings, storage: Storage
) -> None:
    """Record that the data set may be trained on whatever the rules say.

    Raises `UsageError` without a reason, and unless `digest` is the beginning of the data set's own.
    """
    if not reason:
        raise UsageError("--accept-data needs --reason: why the data set is trained on although its rules refuse it.")
    if len(digest) < SHORTEST_DIGEST or not dataset.digest.startswith(digest):
        raise UsageError(
            f"--accept-data names {digest}, but the data set prepared now is {dataset.digest[:16]}…; give at least "
            f"{SHORTEST_DIGEST} characters of the digest of the data set that you have looked at."
        )
    decision = Acceptance(digest=dataset.digest, reason=reason, time=datetime.now(UTC), flow_run_id=flow_run_id)
    write_acceptance(dataset, decision, settings, storage)


def log_report(report: DataReport, training: TrainingRef, settings: Settings, storage: Storage) -> None:
    """Log page and record to the training's MLflow run, and who accepted the data set why as tags."""
    with scratch_folder("data-report") as folder:
        page = Path(folder) / PAGE_NAME
        page.write_bytes(report_page(report.dataset, settings, storage))
        log_file(settings, training.mlflow_run_id, page, ARTIFACTS)
    if report.accepted:
        log_values(settings, training.mlflow_run_id, {}, {ACCEPTED_TAG: report.accepted.reason})


def require_accepted(report: DataReport) -> None:
    """Raise `DataRefused` if the rules refuse the data set and nobody accepted it."""
    if report.accepted or not report.refusals:
        return
    dataset, (first, *others) = report.dataset, report.refusals
    more = f" ({len(others)} more in the report)" if others else ""
    raise DataRefused(
        f"data set {dataset.name} {dataset.digest[:12]} is refused. {first.reason.rstrip('.')}{more}; nothing is "
        f"trained on it unless --accept-data {dataset.digest[:12]} --reason TEXT overrules that."
    )


def _other(
    dataset: DatasetRef, against: DatasetRef | None, settings: Settings, storage: Storage
) -> PreparedImages | None:
    if against is None or against.digest == dataset.digest:
        return None
    if (against.channels, against.image_size) != (dataset.channels, dataset.image_size):
        log.warning("Data set %s has images of another shape, so it is not compared.", against.digest[:12])
        return None
    try:
        return open_dataset(against, settings, storage)
    except DatasetDamaged as error:
        log.warning("The data set is not compared: %s", error)
        return None
