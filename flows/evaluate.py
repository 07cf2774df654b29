"""Evaluation of one version from Prefect's page."""

from __future__ import annotations

from typing import Literal

from prefect import flow

from flows.endings import completed, named_endings
from tasks.evaluation import measure_registered
from wgan.steps.measure import Report


@flow(name="evaluate", flow_run_name="{model_name} {version}", persist_result=True)
@named_endings()
def evaluate(
    model_name: str, version: str = "champion", protocol: Literal["quick", "standard", "paper"] = "standard"
) -> Report:
    """Measure one version beside real held-out images and an untrained generator.

    Args:
        model_name: Registered model, e.g. generator-digits.
        version: Number of the version, or an alias: champion, challenger or previous.
        protocol: quick: fewer images and seeds; standard: that of the version's run; paper: as in the papers.
    """
    report = measure_registered(model_name, version, protocol)
    message = f"Measured: {report.headline}. The artifact evaluation-report has all metrics."
    return completed(message, report, named=f"version {report.target.rpartition('/')[2]} measured")
