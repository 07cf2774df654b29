"""How far a data set has moved from an earlier one, in the features of the evaluation protocol.

For every seed, a sample of the new data is compared with a random half of the old data, and so is the other half, which
shows what no drift looks like. The differences between the two are paired: they share the half that both are compared
with.

A new image counts as unlike the old data if its nearest neighbour in one half is farther than that of 99 % of the other
half's images. The share of such images is corrected for the 1 % that are expected.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wgan.config import EvaluationConfig
from wgan.data.dataset import PreparedImages
from wgan.data_report.record import ClassDrift, Drift, DriftMetric, Example, Finding
from wgan.evaluation.extractors.features import Extractor, extract
from wgan.evaluation.metrics.frechet import frechet_distance
from wgan.evaluation.metrics.kernel import kernel_distance
from wgan.evaluation.metrics.memorisation import nearest_neighbours
from wgan.evaluation.metrics.prdc import prdc
from wgan.evaluation.reference import gathered
from wgan.evaluation.side_by_side import exact_device, open_protocol
from wgan.intervals import paired_interval, t_interval
from wgan.settings import Settings
from wgan.storage import Storage

MOST_IMAGES = 4096
"""Images of each data set that are compared, at most."""
LEAST_IMAGES = 32
EXPECTED = 0.01
"""Share of images without drift that count as unlike the old ones."""
WORST = 20
TITLES = {"fid": "Fréchet distance", "kernel_distance": "Kernel distance", "coverage": "Coverage of the old images"}


@dataclass(frozen=True)
class _Sample:
    """Some images of a data set, at random."""

    indices: NDArray[np.int64]
    vectors: NDArray[np.float32]


def measure_drift(
    old: PreparedImages,
    new: PreparedImages,
    names: Callable[[int], str],
    config: EvaluationConfig,
    settings: Settings,
    storage: Storage,
    device: str,
    progress: Callable[[str, int, int | None], None],
) -> tuple[Drift, Finding] | None:
    """The drift of training images from earlier ones, and the images that are unlike those; None with fewer than 32.

    Both have images of one shape; `names(position)` is the name of an image of `new`'s data set by its position in the
    shards. `device` is a torch device. Raises what `open_protocol` raises.
    """
    if min(old.count, new.count) < LEAST_IMAGES:
        return None
    extractor, protocol = open_protocol(old, config, settings, storage, device, progress)
    total, done = min(old.count, MOST_IMAGES) + min(new.count, MOST_IMAGES), 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress("drift", done, total)

    before, after = (_draw(images, extractor, config, advance) for images in (old, new))
    count = min(config.sample_count, len(before.indices) // 2, len(after.indices))
    neighbours = min(config.neighbours, count - 1)
    per_seed = []
    for seed in protocol.seeds:
        generator = np.random.default_rng(seed)
        halves = before.vectors[generator.permutation(len(before.indices))[: 2 * count]]
        moved = after.vectors[generator.permutation(len(after.indices))[:count]]
        pairs = ((halves[:count], moved), (halves[:count], halves[count:]))
        per_seed.append([_distances(one, other, neighbours, exact_device(device)) for one, other in pairs])
    metrics = []
    for name, title in TITLES.items():
        new_values, old_values = (
            t_interval([pair[side][name] for pair in per_seed], config.confidence) for side in (0, 1)
        )
        difference = paired_interval(new_values, old_values, config.confidence)
        metrics.append(DriftMetric(name=name, title=title, new=new_values, halves=old_values, difference=difference))
    far, distances = _unlike(before, after, exact_device(device))
    drift = Drift(
        digest=old.ref.digest,
        extractor=extractor.name,
        images=count,
        seeds=len(protocol.seeds),
        metrics=tuple(metrics),
        classes=_classes(old, new, after, far),
    )
    return drift, _finding(new, after, far, distances, names)


def _draw(
    images: PreparedImages, extractor: Extractor, config: EvaluationConfig, advance: Callable[[int], None]
) -> _Sample:
    chosen = np.random.default_rng(config.seed).permutation(images.count)[:MOST_IMAGES]
    indices = np.sort(chosen).astype(np.int64)
    return _Sample(indices, extract(extractor, gathered(images, indices, config.batch_size), advance).vectors)


def _distances(one: NDArray[np.float32], other: NDArray[np.float32], neighbours: int, device: str) -> dict[str, float]:
    return {
        "fid": frechet_distance(one, other),
        "kernel_distance": kernel_distance(one, other, device),
        "coverage": prdc(one, other, neighbours, device).coverage,
    }


def _unlike(before: _Sample, after: _Sample, device: str) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which of the new images are unlike the old ones, and how far each is from its nearest old one."""
    order = np.random.default_rng(0).permutation(len(before.indices))
    half = len(order) // 2
    known, others = before.vectors[order[:half]], before.vectors[order[half:]]
    usual = nearest_neighbours(others, known, device=device).distances[:, 0]
    distances = nearest_neighbours(after.vectors, known, device=device).distances[:, 0]
    return distances > np.quantile(usual, 1 - EXPECTED), distances


def _finding(
    new: PreparedImages,
    after: _Sample,
    far: NDArray[np.bool_],
    distances: NDArray[np.float64],
    names: Callable[[int], str],
) -> Finding:
    share = max(0.0, (float(far.mean()) - EXPECTED) / (1 - EXPECTED))
    worst = np.argsort(-distances, kind="stable")[: min(WORST, int(far.sum()))]
    positions = new.rows[after.indices[worst]].tolist()
    return Finding(
        name="unlike",
        title="Unlike the earlier data",
        meaning="Farther from every image of the earlier data than 99 % of that data's own, less the expected 1 %.",
        count=round(share * new.count),
        among=new.count,
        worst=tuple(
            Example(position=position, name=names(position), detail=f"distance {distances[place]:.2f}")
            for position, place in zip(positions, worst.tolist(), strict=True)
        ),
    )


def _classes(
    old: PreparedImages, new: PreparedImages, after: _Sample, far: NDArray[np.bool_]
) -> tuple[ClassDrift, ...]:
    """Shares of the classes that both data sets name alike, and how many of the new images are unlike the old ones."""
    if old.labels is None or new.labels is None or old.ref.classes != new.ref.classes:
        return ()
    entries = []
    for label, name in enumerate(new.ref.classes):
        here = new.labels[after.indices] == label
        entries.append(
            ClassDrift(
                name=name,
                before=float((old.labels == label).mean()),
                after=float((new.labels == label).mean()),
                unlike=float(far[here].mean()) if here.any() else 0.0,
            )
        )
    return tuple(entries)
