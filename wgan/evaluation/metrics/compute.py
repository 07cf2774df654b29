"""All metrics of one generated sample against one real one. A new metric is a new file and a line here."""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from wgan.evaluation.extractors.features import Features
from wgan.evaluation.metrics import sliced
from wgan.evaluation.metrics.custom import MetricSample, compute_custom_metrics
from wgan.evaluation.metrics.frechet import frechet_distance
from wgan.evaluation.metrics.kernel import kernel_distance
from wgan.evaluation.metrics.memorisation import memorisation, nearest_neighbours
from wgan.evaluation.metrics.modes import modes_captured, reverse_kl
from wgan.evaluation.metrics.prdc import prdc
from wgan.evaluation.metrics.sliced import sliced_wasserstein, sorted_projections
from wgan.evaluation.reference import RealSample
from wgan.records import EvaluationProtocol

METRIC_RANGES = {
    "fid": (0.0, math.inf),
    "kernel_distance": (-math.inf, math.inf),  # unbiased, so it may be negative
    "precision": (0.0, 1.0),
    "recall": (0.0, 1.0),
    "density": (0.0, math.inf),
    "coverage": (0.0, 1.0),
    "sliced_wasserstein": (0.0, math.inf),
    "modes": (0.0, math.inf),
    "reverse_kl": (0.0, math.inf),
    "memorisation": (0.0, 1.0),
}
"""Metric name → its minimum and maximum; the maximum of `modes` is the number of classes."""


def compute_metrics(
    real: RealSample,
    generated: Features,
    images: NDArray[np.uint8],
    seed: int,
    protocol: EvaluationProtocol,
    class_shares: NDArray[np.float64] | None = None,
    device: str = "cpu",
) -> dict[str, float]:
    """Metric name → value, as `wgan.records.Measurement` lists them, for one seed.

    `images` are the generated ones, uint8 (N, C, H, W), and `generated` their features. `device` is a torch device
    that has float64.
    """
    shown = images[: sliced.IMAGES]
    values = {
        "fid": frechet_distance(real.vectors, generated.vectors),
        "kernel_distance": kernel_distance(real.vectors, generated.vectors, device, real.kernel_mean),
    }
    values |= asdict(prdc(real.vectors, generated.vectors, protocol.neighbours, device, real_radii=real.squared_radii))
    values["sliced_wasserstein"] = sliced_wasserstein(
        real.projections, sorted_projections(_batches(shown), len(shown), seed, device)
    )
    if class_shares is not None and generated.classes is not None:
        values["modes"] = float(modes_captured(generated.classes, class_shares, protocol.captured_share))
        values["reverse_kl"] = reverse_kl(generated.classes, class_shares)
    if len(real.held_out_distances):
        nearest = nearest_neighbours(generated.vectors, real.training, device=device).distances[:, 0]
        values["memorisation"] = memorisation(nearest, real.held_out_distances)
    sample = MetricSample(real.vectors, generated.vectors, images, seed)
    return values | compute_custom_metrics(protocol.own_metrics, sample)


def _batches(images: NDArray[np.uint8], size: int = 128) -> list[NDArray[np.uint8]]:
    return [images[start : start + size] for start in range(0, len(images), size)]
