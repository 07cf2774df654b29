"""Comparison of two versions from Prefect's page."""

from __future__ import annotations

from typing import Literal

from prefect import flow

from flows.endings import completed, named_endings
from tasks.comparison import compare_registered
from wgan.records import GateDecision


@flow(name="compare", flow_run_name="{model_name} {version} against {against}", persist_result=True)
@named_endings()
def compare(
    model_name: str,
    version: str,
    against: str = "champion",
    protocol: Literal["quick", "standard", "paper"] = "standard",
) -> GateDecision:
    """Measure two versions side by side, with a report. Changes nothing in the registry.

    Args:
        model_name: Registered model, e.g. generator-digits.
        version: Number of the version, or its alias; it takes the challenger's place.
        against: Number of the version in the champion's place, or an alias: champion, challenger or previous.
        protocol: quick: fewer images and seeds; standard: that of the version's run; paper: as in the papers.
    """
    decision = compare_registered(model_name, version, against, protocol)
    verdict = "would be promoted" if decision.promote else "would not be promoted"
    return completed(
        f"Compared: against {against}, version {version} {verdict}. {decision.reason}", decision, named=verdict
    )
