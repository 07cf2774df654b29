"""Champion and challenger, measured side by side.

For every seed s, both generators make N images from the noise of s and meet the same N real images, drawn without
replacement with s (see `reference`). So a seed's difference between the two holds neither the luck of the real sample
nor of the noise, and over the seeds the differences are independent draws given the data set and both generators:
what a paired t interval asks for. The intervals speak of these two generators on this data set; how another
training run would have come out, they do not say.

N is the configured sample count, or all real images if there are fewer; k of the neighbour metrics then at most N − 1.
Both are recorded as they were used. The same inputs on the same device give the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from wgan.config import EvaluationConfig
from wgan.errors import DataError
from wgan.evaluation.extractors import open_extractor
from wgan.evaluation.features import Extractor, Features, extract
from wgan.evaluation.intervals import t_interval
from wgan.evaluation.metrics import compute_metrics
from wgan.evaluation.reference import RealImages, Reference, measure_reference, reference_indices
from wgan.records import Measurement, Protocol
from wgan.settings import Settings
from wgan.storage import Storage

GenerateImages = Callable[[int, int], NDArray[np.uint8]]
"""(seed, count) → generated images, uint8 (count, C, H, W)."""
ProgressListener = Callable[[str, int, int | None], None]
"""(stage, done, total): steps of `classifier`, then images of `evaluation`."""


def measure_side_by_side(
    challenger: GenerateImages,
    champion: GenerateImages | None,
    images: RealImages,
    config: EvaluationConfig,
    settings: Settings,
    storage: Storage,
    device: str,
    progress: ProgressListener | None = None,
) -> tuple[Measurement, Measurement | None]:
    """Measure one generator, or two under one protocol, against the data set.

    `storage` caches the classifier. `device` is a torch device for the extractor. Raises `DataError` when the data set
    has fewer than two images or a generator makes images of another shape, `UsageError` when the configured extractor
    does not fit the data.
    """
    tell = progress or (lambda stage, done, total: None)
    if images.count < 2:
        raise DataError(f"{images.ref.name} has {images.count} image: evaluation needs at least two.")
    extractor = open_extractor(
        images, config, settings, storage, device, lambda step, steps: tell("classifier", step, steps)
    )
    protocol = _protocol(images, config, extractor)
    sides = {"challenger": challenger} | ({"champion": champion} if champion else {})

    done = 0
    total = len(reference_indices(images.count, protocol.sample_count, protocol.seeds))
    total += protocol.sample_count * len(protocol.seeds) * len(sides)

    def advance(count: int) -> None:
        nonlocal done
        done += count
        tell("evaluation", done, total)

    reference = measure_reference(images, extractor, protocol.sample_count, protocol.seeds, config.batch_size, advance)
    measured = {}
    for side, generate in sides.items():
        per_seed = []
        for seed in protocol.seeds:
            generated = generate(seed, protocol.sample_count)
            _check_shape(generated, protocol.sample_count, images, side)
            features = extract(extractor, _batches(generated, config.batch_size), advance)
            per_seed.append(_compare(reference, seed, features, protocol, extractor, device))
        measured[side] = _summarise(per_seed, protocol)
    return measured["challenger"], measured.get("champion")


def _protocol(images: RealImages, config: EvaluationConfig, extractor: Extractor) -> Protocol:
    sample_count = min(config.sample_count, images.count)
    return Protocol(
        extractor=extractor.name,
        extractor_digest=extractor.digest,
        extractor_accuracy=extractor.accuracy,
        data_digest=images.ref.digest,
        sample_count=sample_count,
        seeds=tuple(range(config.seed, config.seed + config.seeds)),
        neighbours=min(config.neighbours, sample_count - 1),
        confidence=config.confidence,
    )


def _compare(
    reference: Reference, seed: int, features: Features, protocol: Protocol, extractor: Extractor, device: str
) -> dict[str, float]:
    # Distances need float64, which mps lacks.
    where = "cpu" if device.startswith("mps") else device
    return compute_metrics(reference.at(seed), features, protocol.neighbours, extractor.class_shares, where)


def _summarise(per_seed: list[dict[str, float]], protocol: Protocol) -> Measurement:
    metrics = {name: t_interval([values[name] for values in per_seed], protocol.confidence) for name in per_seed[0]}
    return Measurement(protocol=protocol, metrics=metrics)


def _batches(images: NDArray[np.uint8], size: int) -> list[NDArray[np.uint8]]:
    return [images[start : start + size] for start in range(0, len(images), size)]


def _check_shape(generated: NDArray[np.uint8], count: int, images: RealImages, side: str) -> None:
    expected = (count, images.channels, images.image_size, images.image_size)
    if generated.shape != expected or generated.dtype != np.uint8:
        raise DataError(
            f"the {side} made images {generated.dtype} {generated.shape}, but {images.ref.name} asks for uint8 "
            f"{expected}: they cannot be compared."
        )
