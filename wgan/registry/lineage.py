"""Where a version comes from, as tags that can be searched, and the version of the code that made it."""

from __future__ import annotations

import json
import subprocess
from importlib import metadata
from pathlib import Path

from wgan.config import RetrainConfig, config_digest
from wgan.records import EvaluationRef

DISTRIBUTION = "wgan-pipeline"
METRIC_TAG = "metric."
"""Prefix of the tags that hold `[mean, low, high]` of a metric."""


def version_tags(evaluation: EvaluationRef, onnx_sha256: str, config: RetrainConfig) -> dict[str, str]:
    """Every tag of a new version: data, configuration, code, run, checkpoint, export, metrics with intervals."""
    training = evaluation.training
    measured = evaluation.challenger
    tags = {
        "data_set": training.dataset.name,
        "data_digest": training.dataset.digest,
        "config_digest": config_digest(config),
        "code_version": code_version(),
        "flow_run_id": training.flow_run_id,
        "mlflow_run_id": training.mlflow_run_id,
        "checkpoint_uri": training.checkpoint_uri,
        "checkpoint_sha256": training.checkpoint_sha256,
        "onnx_sha256": onnx_sha256,
        "generator_steps": str(training.generator_steps),
        "protocol_digest": config_digest(measured.protocol),
    }
    if training.wasserstein_estimate is not None:
        tags["wasserstein_estimate"] = f"{training.wasserstein_estimate:.6g}"
    for name, interval in measured.metrics.items():
        tags[METRIC_TAG + name] = json.dumps([interval.mean, interval.low, interval.high])
    return tags


def code_version() -> str:
    """The package's version and, when it runs from a git checkout, the commit: `0.1.0+3f2a…` (`-dirty` if edited)."""
    version = metadata.version(DISTRIBUTION)
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return version
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        commit = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):  # no git here, or not a checkout it trusts
        return version
    return f"{version}+{commit}"
