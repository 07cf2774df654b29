"""The lineage of two versions, and their differences."""

from __future__ import annotations

from wgan.comparison.record import Side
from wgan.config import flat_parameters

Row = tuple[str, str, str]
"""Label, first version's value, second version's value."""


def lineage_rows(first: Side, second: Side) -> list[Row]:
    """Data, run, checkpoint, export and training summary of both."""
    return [(what, mine, theirs) for (what, mine), (_, theirs) in zip(_lineage(first), _lineage(second), strict=True)]


def differing_settings(first: Side, second: Side) -> list[Row]:
    """Every configuration field in which the two runs differ, by dotted name."""
    mine, theirs = flat_parameters(first.config), flat_parameters(second.config)
    names = sorted(set(mine) | set(theirs))
    return [
        (name, mine.get(name) or "not set", theirs.get(name) or "not set")
        for name in names
        if mine.get(name) != theirs.get(name)
    ]


def _lineage(side: Side) -> list[tuple[str, str]]:
    training = side.version.evaluation.training
    dataset, estimate = training.dataset, training.wasserstein_estimate
    return [
        ("Aliases", ", ".join(side.aliases) or "none"),
        ("Data set", f"{dataset.name}, {dataset.count:,} images"),
        ("Data digest", dataset.digest[:16]),
        ("Configuration digest", training.config_digest[:16]),
        ("Generator steps", f"{training.generator_steps:,}"),
        ("Started from", training.started_from or "freshly drawn networks"),
        ("Training time", f"{training.seconds:,.0f} s on {training.device}, {training.precision}"),
        ("Wasserstein estimate", "not defined for this objective" if estimate is None else f"{estimate:.4g}"),
        ("MLflow run", training.mlflow_run_id),
        ("Flow run", training.flow_run_id),
        ("Checkpoint", f"{training.checkpoint_uri} (SHA-256 {training.checkpoint_sha256[:16]})"),
        ("Chosen because", training.choice.reason if training.choice else "it is the last"),
        ("ONNX", f"SHA-256 {side.version.onnx_sha256[:16]}"),
    ]
