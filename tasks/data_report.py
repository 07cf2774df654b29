"""The report on the prepared data: shown in Prefect and in the MLflow run; its rules may refuse the data."""

from __future__ import annotations

from prefect import runtime
from prefect.artifacts import create_markdown_artifact
from prefect.logging import get_run_logger

from tasks.connections import connect
from tasks.data import announce_skipped
from tasks.progress import progress_artifact
from tasks.retrying import retried_task
from wgan.config import RetrainConfig
from wgan.data_report.markdown import report_markdown
from wgan.data_report.record import DataReport
from wgan.records import DatasetRef, RetrainSkipped, TrainingRef
from wgan.steps.report_data import (
    accept_data,
    find_champion,
    log_report,
    report_data,
    require_accepted,
    without_drift,
)


@retried_task("report on data")
def report_on_data(
    config: RetrainConfig,
    dataset: DatasetRef,
    accepted: str | None,
    accepted_because: str | None,
    champion_too: bool = False,
) -> DataReport:
    """Report on the data set beside the champion's; fails if the rules refuse it and nobody has accepted it.

    `accepted` is the beginning of the digest that is accepted now, whatever the rules say. With `champion_too`, the
    champion's samples are compared with both data sets.
    """
    settings, storage = connect()
    if accepted is not None:
        accept_data(dataset, accepted, accepted_because, str(runtime.flow_run.id), settings, storage)
    with progress_artifact("data-report-progress", f"Reporting on {dataset.name}"):
        champion = find_champion(config.model_name, settings)
        champions = champion.evaluation.training.dataset if champion else None
        report = report_data(dataset, champions, config, settings, storage, champion if champion_too else None)
    description = f"{dataset.name} {dataset.digest[:12]}"
    create_markdown_artifact(markdown=report_markdown(report), key="data-report", description=description)
    for rule in report.broken:
        get_run_logger().warning("%s", rule.reason)
    require_accepted(report)
    return report


@retried_task("check for drift")
def find_no_drift(model_name: str, report: DataReport) -> RetrainSkipped | None:
    """The champion whose data this data set has not moved from; None if it has, or if that is not known."""
    settings, _ = connect()
    skipped = without_drift(model_name, report, settings)
    if skipped is not None:
        announce_skipped(skipped)
    return skipped


@retried_task("keep data report")
def keep_data_report(report: DataReport, training: TrainingRef) -> None:
    """Log the report to the MLflow run of the training."""
    settings, storage = connect()
    log_report(report, training, settings, storage)
