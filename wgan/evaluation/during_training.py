"""The smaller evaluation that chooses among the checkpoints of a training.

It has the run's extractor, but its own seed, which no judgement can have: choosing the best of many checkpoints by the
judgement's own noise and real images would flatter the chosen one. All checkpoints of a run get the same noise and are
compared with the same real images, so their differences are free of the luck of either.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wgan.config import RetrainConfig, config_digest
from wgan.evaluation.extractors.features import Extractor, extract
from wgan.evaluation.metrics.frechet import Moments, gaussian_distance, moments
from wgan.evaluation.metrics.modes import modes_captured
from wgan.evaluation.metrics.prdc import prdc, squared_radii
from wgan.evaluation.reference import RealImages, draw_subset, gathered
from wgan.evaluation.side_by_side import GenerateImages, ProgressListener, batches, exact_device, open_protocol
from wgan.records import EvaluationProtocol
from wgan.settings import Settings
from wgan.storage import Storage

SEED = 2**32
"""Above every seed that a configuration can name for a judgement."""


@dataclass(frozen=True)
class TrainingEvaluation:
    """Measures a generator against one fixed sample of real images."""

    protocol: EvaluationProtocol
    extractor: Extractor
    real: NDArray[np.float32]
    """Features of the real images, (N, d)."""
    real_moments: Moments
    real_radii: NDArray[np.float64]
    batch_size: int
    device: str

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the protocol."""
        return config_digest(self.protocol)

    def __call__(self, generate: GenerateImages) -> dict[str, float]:
        """`fid`, `precision`, `recall`, `coverage` and, with labels, `modes`."""
        protocol, shares = self.protocol, self.extractor.class_shares
        drawn = extract(self.extractor, batches(generate(SEED, protocol.sample_count), self.batch_size))
        shares_of_balls = prdc(self.real, drawn.vectors, protocol.neighbours, self.device, real_radii=self.real_radii)
        values = {
            "fid": gaussian_distance(self.real_moments, moments(drawn.vectors)),
            "precision": shares_of_balls.precision,
            "recall": shares_of_balls.recall,
            "coverage": shares_of_balls.coverage,
        }
        if shares is not None and drawn.classes is not None:
            values["modes"] = float(modes_captured(drawn.classes, shares, protocol.captured_share))
        return values


def open_training_evaluation(
    images: RealImages,
    config: RetrainConfig,
    settings: Settings,
    storage: Storage,
    device: str,
    progress: ProgressListener | None = None,
) -> TrainingEvaluation:
    """The evaluation of a run's checkpoints: `training.evaluation_images` images, the rest as in `evaluation`.

    `device` is a torch device for the extractor. Raises what `measure_side_by_side` raises.
    """
    smaller = config.evaluation.model_copy(
        update={"sample_count": config.training.evaluation_images, "memorisation_images": 0, "metrics": ()}
    )
    extractor, protocol = open_protocol(images, smaller, settings, storage, device, progress)
    return with_real_images(
        images, extractor, protocol.model_copy(update={"seeds": (SEED,)}), smaller.batch_size, device
    )


def with_real_images(
    images: RealImages, extractor: Extractor, protocol: EvaluationProtocol, batch_size: int, device: str
) -> TrainingEvaluation:
    """The evaluation against the real sample of the protocol's only seed."""
    (seed,), exact = protocol.seeds, exact_device(device)
    chosen = draw_subset(images.count, protocol.sample_count, seed)
    real = extract(extractor, gathered(images, chosen, batch_size)).vectors
    radii = squared_radii(real, protocol.neighbours, exact)
    return TrainingEvaluation(protocol, extractor, real, moments(real), radii, batch_size, exact)
