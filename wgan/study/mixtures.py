"""Mixtures of Gaussians in the plane whose modes can be counted: the 8-Gaussian ring and the 25-Gaussian grid.

The ring is that of Metz et al. (*Unrolled Generative Adversarial Networks*, ICLR 2017), the grid that of VEEGAN
(Srivastava et al. 2017), whose measures these are: a sample is of high quality when it lies within three standard
deviations of a mode, and a mode is covered when such a sample is nearest to it. Both are scaled to unit variance for
each coordinate, so that the same networks and learning rates serve both. Their modes are tiny and take long training to
hit: short trainings widen them, and the modes stay more than six deviations apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

MixtureName = Literal["ring", "grid"]
HIGH_QUALITY_SDS = 3.0
PUBLISHED_GAN = {"modes": 17.3, "high_quality": 0.948, "reverse_kl": 0.70}
"""A GAN on the grid with the published deviation (PacGAN, Lin et al. 2018; the authors' own networks)."""
DISTANCE_POINTS = 500
"""Points per side in the exact Wasserstein distance, whose cost is cubic."""


@dataclass(frozen=True)
class Mixture:
    """Equally likely round Gaussians: `centres` float64 (K, 2), one standard deviation."""

    centres: NDArray[np.float64]
    sd: float

    def draw(self, count: int, generator: np.random.Generator) -> NDArray[np.float32]:
        """`count` independent points (count, 2)."""
        modes = generator.integers(len(self.centres), size=count)
        points = self.centres[modes] + self.sd * generator.standard_normal((count, 2))
        return points.astype(np.float32)


def mixture(name: MixtureName, widening: float = 1.0) -> Mixture:
    """The ring (radius 2, deviation 0.02) or the grid (−4 … 4, deviation 0.05), divided by a coordinate's deviation.

    `widening` multiplies the modes' deviation.
    """
    if name == "ring":
        angles = 2 * np.pi * np.arange(8) / 8
        return _unit_variance(2 * np.stack([np.cos(angles), np.sin(angles)], axis=1), 0.02 * widening)
    places = np.linspace(-4, 4, 5)
    return _unit_variance(np.array([(x, y) for x in places for y in places]), 0.05 * widening)


def nearest_modes(points: NDArray[np.floating], of: Mixture) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The nearest mode (N,) of each point (N, 2), and whether the point lies within three deviations of it."""
    distances = cdist(points, of.centres)
    return distances.argmin(axis=1), distances.min(axis=1) <= HIGH_QUALITY_SDS * of.sd


def measure_points(points: NDArray[np.floating], of: Mixture, generator: np.random.Generator) -> dict[str, float]:
    """Measures of a sample (N, 2), by name:

    `modes` with at least one high-quality sample; `high_quality`, the share of such samples; `reverse_kl`,
    KL(generated ‖ data) over the nearest modes in nats (ln K when all are one mode); `distance`, the exact
    Wasserstein-1 distance of the first 500 to as many points of the mixture, drawn from `generator`.
    """
    modes, good = nearest_modes(points, of)
    shares = np.bincount(modes, minlength=len(of.centres)) / len(points)
    made, few = shares[shares > 0], points[:DISTANCE_POINTS]
    return {
        "modes": float(len(np.unique(modes[good]))),
        "high_quality": float(good.mean()),
        "reverse_kl": max(0.0, float(np.sum(made * np.log(made * len(of.centres))))),
        "distance": wasserstein(few, of.draw(len(few), generator)),
    }


def wasserstein(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Exact Wasserstein-1 distance between two equally large samples (N, d): mean length of the cheapest matching."""
    lengths = cdist(first, second)
    rows, columns = linear_sum_assignment(lengths)
    return float(lengths[rows, columns].mean())


def _unit_variance(centres: NDArray[np.float64], sd: float) -> Mixture:
    scale = np.sqrt(np.mean(centres[:, 0] ** 2) + sd**2)
    return Mixture(centres / scale, sd / scale)
