"""A version's origin and quality as a few tags, and the version of the code."""

from __future__ import annotations

import json
import subprocess
from importlib import metadata
from pathlib import Path

from wgan.records import EvaluationRef, Measurement

DISTRIBUTION = "wgan-pipeline"
METRICS_TAG = "metrics"
"""JSON: metric → `[mean, low, high]` at the version's registration."""


def version_tags(evaluation: EvaluationRef) -> dict[str, str]:
    """Every tag of a new version: what searches and listings use; the rest is in the card and the record.

    `data_digest`, `flow_run_id`, `checkpoint_uri`, `checkpoint_sha256`, `metrics`, and, where there is one,
    `code_version`, `wasserstein_estimate` and `started_from`.
    """
    training = evaluation.training
    tags = {
        "data_digest": training.dataset.digest,
        "flow_run_id": training.flow_run_id,
        "checkpoint_uri": training.checkpoint_uri,
        "checkpoint_sha256": training.checkpoint_sha256,
        METRICS_TAG: json.dumps(metric_intervals(evaluation.challenger)),
    }
    if training.code_version is not None:
        tags["code_version"] = training.code_version
    if training.wasserstein_estimate is not None:
        tags["wasserstein_estimate"] = f"{training.wasserstein_estimate:.6g}"
    if training.started_from is not None:
        tags["started_from"] = training.started_from
    return tags


def metric_intervals(measured: Measurement) -> dict[str, tuple[float, float, float]]:
    """Metric → mean, low and high, as tags hold them."""
    return {name: (interval.mean, interval.low, interval.high) for name, interval in measured.metrics.items()}


def code_version() -> str:
    """The package's version and, when it runs from a git checkout, the commit: `0.1.0+3f2a…` (`-dirty` if edited)."""
    version = metadata.version(DISTRIBUTION)
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return version
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        commit = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):  # no git, or not a checkout it trusts
        return version
    return f"{version}+{commit}"
