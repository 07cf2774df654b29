"""Adds the drift from an earlier data set to a report, measured on this machine's device."""

from __future__ import annotations

from wgan import progress
from wgan.config import EvaluationConfig
from wgan.data.dataset import PreparedImages
from wgan.data.origins import Origins
from wgan.data_report.drift import measure_drift
from wgan.data_report.record import DataReport
from wgan.settings import Settings
from wgan.storage import Storage
from wgan.training.device import resolve_device


def with_drift(
    report: DataReport,
    old: PreparedImages,
    new: PreparedImages,
    origins: Origins | None,
    config: EvaluationConfig,
    settings: Settings,
    storage: Storage,
) -> DataReport:
    """The report on `new` with its drift from `old` and the images that are unlike those of `old`.

    Both are training images of one shape; `origins` are the files of `new`. Raises what `measure_drift` raises.
    """

    def name(position: int) -> str:
        return origins.names[position] if origins else f"image {position}"

    device = str(resolve_device(settings.device))
    measured = measure_drift(old, new, name, config, settings, storage, device, progress.report)
    if measured is None:
        return report
    drift, finding = measured
    return report.model_copy(update={"drift": drift, "findings": (*report.findings, finding)})
