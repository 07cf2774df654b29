"""Custom metrics, valid and invalid."""

from __future__ import annotations

from wgan.evaluation.metrics.custom import MetricSample


def brightness(sample: MetricSample) -> float:
    """Mean grey level of the generated images."""
    return float(sample.images.mean())


def nothing(sample: MetricSample) -> float:
    """Not a number."""
    return float("nan")


def missing_pixel(sample: MetricSample) -> float:
    """Reads an image that does not exist."""
    return float(sample.images[len(sample.images)].mean())
