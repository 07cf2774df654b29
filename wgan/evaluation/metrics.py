"""All metrics of one generated sample against one real one. A new metric is a file of its own and a line here."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from wgan.evaluation.features import Features
from wgan.evaluation.frechet import frechet_distance
from wgan.evaluation.modes import modes_captured, reverse_kl
from wgan.evaluation.prdc import prdc


def compute_metrics(
    real: Features,
    generated: Features,
    neighbours: int,
    class_shares: NDArray[np.float64] | None = None,
    device: str = "cpu",
) -> dict[str, float]:
    """Metric name → value: `fid`, `precision`, `recall`, `density`, `coverage`; with classes `modes`, `reverse_kl`."""
    values = {"fid": frechet_distance(real.vectors, generated.vectors)}
    values |= asdict(prdc(real.vectors, generated.vectors, neighbours, device))
    if class_shares is not None and generated.classes is not None:
        values["modes"] = float(modes_captured(generated.classes, class_shares))
        values["reverse_kl"] = reverse_kl(generated.classes, class_shares)
    return values
