"""Adds the drift from an earlier data set to a report, measured on this machine's device."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from wgan import progress
from wgan.config import EvaluationConfig
from wgan.data.dataset import PreparedImages
from wgan.data.origins import Origins
from wgan.data_report.drift import measure_drift
from wgan.data_report.record import DataReport
from wgan.model_version.inference import open_generator
from wgan.records import ModelVersionRef
from wgan.registry.versions import fetch_version
from wgan.scratch import scratch_folder
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
    champion: ModelVersionRef | None = None,
) -> DataReport:
    """The report on `new` with its drift from `old` and the images that are unlike those of `old`.

    Both are training images of one shape; `origins` are the files of `new`. If `champion`, which was trained on `old`,
    is given, its samples are compared with both. Raises what `measure_drift` and `fetch_version` raise.
    """

    def name(position: int) -> str:
        return origins.names[position] if origins else f"image {position}"

    device = str(resolve_device(settings.device))
    with ExitStack() as stack:
        samples = None
        if champion is not None:
            folder = Path(stack.enter_context(scratch_folder("champion")))
            file = fetch_version(champion.model_name, champion.version, settings, folder)
            samples = open_generator(file).generate
        measured = measure_drift(old, new, name, config, settings, storage, device, progress.report, samples)
    if measured is None:
        return report
    drift, finding = measured
    return report.model_copy(update={"drift": drift, "findings": (*report.findings, finding)})
