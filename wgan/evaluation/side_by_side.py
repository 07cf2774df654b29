"""Champion and challenger, measured side by side.

For every seed s, both generators make N images from the noise of s and are compared with the same N real images, drawn
without replacement with s (see `reference`). The difference between the two for one seed is therefore free of the luck
of the real sample and of the noise, and the differences over the seeds are independent draws given the data set and
both generators, as a paired t interval requires. The intervals describe these two generators on this data set; they say
nothing about another training run.

The real side is computed once per data set and protocol: `reference_cache` stores it in S3.

N is the configured sample count, or all real images if there are fewer; k of the neighbour metrics is then at most N −
1. Both are recorded as used. The same inputs on the same device give the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from wgan.config import EvaluationConfig
from wgan.durations import counted
from wgan.errors import DataError, UsageError
from wgan.evaluation.extractors.choose import open_extractor
from wgan.evaluation.extractors.features import Extractor, extract
from wgan.evaluation.metrics.compute import METRIC_RANGES, compute_metrics
from wgan.evaluation.metrics.custom import custom_metric_codes
from wgan.evaluation.metrics.memorisation import Neighbours, nearest_neighbours
from wgan.evaluation.reference import RealImages, Reference, measure_reference, reference_cost
from wgan.evaluation.reference_cache import load_reference, store_reference
from wgan.intervals import t_interval, within
from wgan.records import EvaluationProtocol, Measurement
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

    `storage` caches the classifier and the real side. `device` is a torch device for the extractor. Raises `DataError`
    when the data set has fewer than two images or a generator makes images of another shape, `UsageError` when the
    configured extractor does not fit the data.
    """
    sides = {"challenger": challenger} | ({"champion": champion} if champion else {})
    measured = measure_sides(sides, images, config, settings, storage, device, progress)
    return measured["challenger"], measured.get("champion")


def measure_sides(
    sides: Mapping[str, GenerateImages],
    images: RealImages,
    config: EvaluationConfig,
    settings: Settings,
    storage: Storage,
    device: str,
    progress: ProgressListener | None = None,
) -> dict[str, Measurement]:
    """Measure generators under one protocol; side → measurement.

    A side's numbers do not depend on which others are measured in the same call. Raises what `measure_side_by_side`
    raises.
    """
    tell = progress or _no_progress
    extractor, protocol = open_protocol(images, config, settings, storage, device, tell)
    generated_images = protocol.sample_count * len(protocol.seeds) * len(sides)
    reference, advance = _reference(
        images, extractor, protocol, config, settings, storage, device, tell, generated_images
    )
    measured = {}
    for side, generate in sides.items():
        per_seed = []
        for seed in protocol.seeds:
            generated = generate(seed, protocol.sample_count)
            _check_shape(generated, protocol.sample_count, images, side)
            features = extract(extractor, batches(generated, config.batch_size), advance)
            per_seed.append(
                compute_metrics(
                    reference.at(seed),
                    features,
                    generated,
                    seed,
                    protocol,
                    extractor.class_shares,
                    exact_device(device),
                )
            )
        measured[side] = _summarise(per_seed, protocol, extractor.class_shares)
    return measured


def nearest_training_images(
    generated: NDArray[np.uint8],
    images: RealImages,
    count: int,
    config: EvaluationConfig,
    settings: Settings,
    storage: Storage,
    device: str,
    progress: ProgressListener | None = None,
) -> Neighbours:
    """The `count` nearest training images of each generated image, uint8 (N, C, H, W), in the protocol's features.

    Searches the `evaluation.memorisation_images` that memorisation is judged against; `images.gather` of the indices
    gives the pictures. Raises `UsageError` if there are fewer than `count`, and what `measure_side_by_side` raises.
    """
    tell = progress or _no_progress
    extractor, protocol = open_protocol(images, config, settings, storage, device, tell)
    if protocol.training_images < count:
        raise UsageError(
            f"evaluation.memorisation_images={config.memorisation_images} leaves {protocol.training_images} training "
            f"images to find the {count} nearest among: raise it."
        )
    reference, advance = _reference(
        images, extractor, protocol, config, settings, storage, device, tell, len(generated)
    )
    vectors = extract(extractor, batches(generated, config.batch_size), advance).vectors
    training = reference.vectors[reference.training_rows]
    found = nearest_neighbours(vectors, training, count, exact_device(device))
    return Neighbours(reference.indices[reference.training_rows][found.indices], found.distances)


def open_protocol(
    images: RealImages,
    config: EvaluationConfig,
    settings: Settings,
    storage: Storage,
    device: str,
    progress: ProgressListener | None = None,
) -> tuple[Extractor, EvaluationProtocol]:
    """The extractor of the configuration and the protocol it makes with these images.

    Raises `DataError` when there are fewer than two, `UsageError` when the extractor does not fit the data.
    """
    tell = progress or _no_progress
    if images.count < 2:
        raise DataError(f"{images.ref.name} has {counted(images.count, 'image')}: evaluation needs at least two.")
    extractor = open_extractor(
        images, config, settings, storage, device, lambda step, steps: tell("classifier", step, steps), tell
    )
    sample_count = min(config.sample_count, images.count)
    training_images = min(config.memorisation_images, images.count)
    held_out = images.held_out.count if images.held_out and training_images else 0
    return extractor, EvaluationProtocol(
        extractor=extractor.name,
        extractor_digest=extractor.digest,
        extractor_accuracy=extractor.accuracy,
        data_digest=images.ref.digest,
        sample_count=sample_count,
        seeds=tuple(range(config.seed, config.seed + config.seeds)),
        neighbours=min(config.neighbours, sample_count - 1),
        captured_share=config.captured_share,
        training_images=training_images,
        held_out_images=min(held_out, sample_count),
        confidence=config.confidence,
        own_metrics=custom_metric_codes(config),
    )


def _reference(
    images: RealImages,
    extractor: Extractor,
    protocol: EvaluationProtocol,
    config: EvaluationConfig,
    settings: Settings,
    storage: Storage,
    device: str,
    tell: ProgressListener,
    further_images: int,
) -> tuple[Reference, Callable[[int], None]]:
    """The real side, from S3 or measured and stored there, and a counter for the images that follow."""
    reference = load_reference(protocol, settings, storage)
    total = further_images + (0 if reference else reference_cost(images, protocol))
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        tell("evaluation", done, total)

    if reference is None:
        reference = measure_reference(images, extractor, protocol, config.batch_size, exact_device(device), advance)
        store_reference(reference, protocol, settings, storage)
    return reference, advance


def exact_device(device: str) -> str:
    """Where distances are computed: they need float64, which mps lacks."""
    return "cpu" if device.startswith("mps") else device


def _no_progress(stage: str, done: int, total: int | None) -> None:
    pass


def _summarise(
    per_seed: list[dict[str, float]], protocol: EvaluationProtocol, class_shares: NDArray[np.float64] | None
) -> Measurement:
    most = {"modes": float(len(class_shares))} if class_shares is not None else {}
    metrics = {}
    for name in per_seed[0]:
        least, greatest = METRIC_RANGES.get(name, (-math.inf, math.inf))
        interval = t_interval([values[name] for values in per_seed], protocol.confidence)
        metrics[name] = within(interval, least, most.get(name, greatest))
    return Measurement(protocol=protocol, metrics=metrics)


def batches(images: NDArray[np.uint8], size: int) -> list[NDArray[np.uint8]]:
    """The images in parts of at most `size`."""
    return [images[start : start + size] for start in range(0, len(images), size)]


def _check_shape(generated: NDArray[np.uint8], count: int, images: RealImages, side: str) -> None:
    expected = (count, images.channels, images.image_size, images.image_size)
    if generated.shape != expected or generated.dtype != np.uint8:
        raise DataError(
            f"the {side} made images {generated.dtype} {generated.shape}, but {images.ref.name} asks for uint8 "
            f"{expected}: they cannot be compared."
        )
