"""Measurements from given per-seed values, for the gate and the summary."""

from __future__ import annotations

from wgan.intervals import t_interval
from wgan.records import EvaluationProtocol, Measurement

PROTOCOL = EvaluationProtocol(
    extractor="classifier",
    extractor_digest="ab" * 32,
    extractor_accuracy=0.983,
    data_digest="cd" * 32,
    sample_count=1024,
    seeds=(1000, 1001, 1002, 1003, 1004),
    neighbours=5,
    confidence=0.95,
)
GOOD = {
    "fid": [5.0, 5.1, 4.9, 5.2, 4.8],
    "precision": [0.9, 0.9, 0.9, 0.9, 0.9],
    "recall": [0.80, 0.81, 0.79, 0.80, 0.80],
    "density": [1.0, 1.0, 1.0, 1.0, 1.0],
    "coverage": [0.90, 0.91, 0.89, 0.90, 0.90],
    "modes": [10.0, 10.0, 10.0, 10.0, 10.0],
    "reverse_kl": [0.01, 0.01, 0.01, 0.01, 0.01],
}


def measured(protocol: EvaluationProtocol = PROTOCOL, **values: list[float]) -> Measurement:
    """A measurement of `GOOD` with some metrics replaced."""
    metrics = {name: t_interval(seeds, protocol.confidence) for name, seeds in (GOOD | values).items()}
    return Measurement(protocol=protocol, metrics=metrics)


def unlabelled(measurement: Measurement) -> Measurement:
    """The same without the metrics that need classes."""
    metrics = {name: value for name, value in measurement.metrics.items() if name not in ("modes", "reverse_kl")}
    return Measurement(protocol=measurement.protocol, metrics=metrics)
