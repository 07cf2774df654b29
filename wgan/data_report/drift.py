"""How far a data set has moved from an earlier one, in the features of the evaluation protocol.

For every seed, a sample of the new data is compared with a random half of the old data, and so is the other half, which
shows what no drift looks like. The differences between the two are paired: they share the half that both are compared
with. The new sample has no image of that half, as the other half has none: else data that has only grown would look
closer to the old data than the old data to itself.

If a generator was trained on the old data, its samples are compared with the same half and with the new sample.

A new image that the old data does not have counts as unlike it for one of two reasons: its nearest old image is farther
than 99 % of the old images are from their nearest other one, or its nearest images, old and new, are all new (as in the
two-sample test of Schilling 1986 and Henze 1988). The first finds images that are far from everything, the second those
of another kind that are near each other. The share of such images is corrected for those that are expected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wgan.config import EvaluationConfig
from wgan.data.dataset import PreparedImages, all_images
from wgan.data.pixel_hashes import pixel_hash
from wgan.data_report.record import ClassDrift, Drift, DriftMetric, Example, Finding, SamplesDrift
from wgan.evaluation.extractors.features import Extractor, extract
from wgan.evaluation.metrics.frechet import frechet_distance
from wgan.evaluation.metrics.kernel import kernel_distance
from wgan.evaluation.metrics.memorisation import nearest_neighbours
from wgan.evaluation.metrics.prdc import prdc
from wgan.evaluation.reference import gathered
from wgan.evaluation.side_by_side import GenerateImages, batches, exact_device, open_protocol
from wgan.intervals import paired_interval, t_interval
from wgan.settings import Settings
from wgan.storage import Storage

MOST_IMAGES = 4096
"""Images of each data set that are compared, at most."""
LEAST_IMAGES = 32
FAR = 0.01
"""Share of images without drift that are farther from the old ones than counts as usual."""
NEIGHBOURS = 6
"""Nearest images of which one must be old."""
WORST = 20
TITLES = {"fid": "Fréchet distance", "kernel_distance": "Kernel distance", "coverage": "Coverage of the old images"}


@dataclass(frozen=True)
class _Sample:
    """Some images of a data set, at random."""

    indices: NDArray[np.int64]
    hashes: NDArray[np.uint64]
    """Of the pixels."""
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
    samples: GenerateImages | None = None,
) -> tuple[Drift, Finding] | None:
    """The drift of a data set from an earlier one, and its images that are unlike those; None with fewer than 32.

    Both are given by their training images, of one shape, but their held-out images are compared with them.
    `names(position)` is the name of an image of `new`'s data set by its position in the shards. `device` is a torch
    device. `samples` draws from the generator that was trained on `old`. Raises what `open_protocol` raises.
    """
    if min(old.count, new.count) < LEAST_IMAGES:
        return None
    extractor, protocol = open_protocol(old, config, settings, storage, device, progress)
    old, new = all_images(old), all_images(new)
    total, done = sum(min(images.count, MOST_IMAGES) for images in (old, new)), 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress("drift", done, total)

    before, after = (_draw(images, extractor, config, advance) for images in (old, new))
    count = _count(before, after, config.sample_count, protocol.seeds)
    if count < LEAST_IMAGES // 2:
        return None
    neighbours = min(config.neighbours, count - 1)
    per_seed, of_samples = [], []
    for seed in protocol.seeds:
        order, others = _orders(before, after, count, seed)
        halves, moved = before.vectors[order[: 2 * count]], after.vectors[others[:count]]
        pairs = ((halves[:count], moved), (halves[:count], halves[count:]))
        per_seed.append([_distances(one, other, neighbours, exact_device(device)) for one, other in pairs])
        if samples is not None:
            drawn = extract(extractor, batches(samples(seed, count), config.batch_size), advance).vectors
            of_samples.append([frechet_distance(drawn, real) for real in (moved, halves[:count])])
    metrics = []
    for name, title in TITLES.items():
        new_values, old_values = (
            t_interval([pair[side][name] for pair in per_seed], config.confidence) for side in (0, 1)
        )
        difference = paired_interval(new_values, old_values, config.confidence)
        metrics.append(DriftMetric(name=name, title=title, new=new_values, halves=old_values, difference=difference))
    unlike, distances, share = _unlike(before, after, exact_device(device))
    drift = Drift(
        digest=old.ref.digest,
        extractor=extractor.name,
        images=count,
        seeds=len(protocol.seeds),
        metrics=tuple(metrics),
        classes=_classes(old, new, after, unlike),
        samples=_samples_drift(of_samples, config.confidence) if samples else None,
    )
    return drift, _finding(new, after, unlike, distances, share, names)


def _count(before: _Sample, after: _Sample, most: int, seeds: tuple[int, ...]) -> int:
    """Images of each side that every seed has."""
    count = min(most, len(before.indices) // 2, len(after.indices))
    return min(count, *(len(_orders(before, after, count, seed)[1]) for seed in seeds))


def _orders(before: _Sample, after: _Sample, count: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A random order of the old images, and one of the new images that are not among the first `count` of those."""
    generator = np.random.default_rng(seed)
    order, others = (generator.permutation(len(sample.indices)) for sample in (before, after))
    return order, others[~np.isin(after.hashes[others], before.hashes[order[:count]])]


def _draw(
    images: PreparedImages, extractor: Extractor, config: EvaluationConfig, advance: Callable[[int], None]
) -> _Sample:
    chosen = np.random.default_rng(config.seed).permutation(images.count)[:MOST_IMAGES]
    indices = np.sort(chosen).astype(np.int64)
    hashes: list[int] = []

    def hashed() -> Iterator[NDArray[np.uint8]]:
        for batch in gathered(images, indices, config.batch_size):
            hashes.extend(pixel_hash(image) for image in batch)
            yield batch

    vectors = extract(extractor, hashed(), advance).vectors
    return _Sample(indices, np.array(hashes, dtype=np.uint64), vectors)


def _distances(one: NDArray[np.float32], other: NDArray[np.float32], neighbours: int, device: str) -> dict[str, float]:
    return {
        "fid": frechet_distance(one, other),
        "kernel_distance": kernel_distance(one, other, device),
        "coverage": prdc(one, other, neighbours, device).coverage,
    }


def _samples_drift(per_seed: list[list[float]], confidence: float) -> SamplesDrift:
    new, old = (t_interval(list(values), confidence) for values in zip(*per_seed, strict=True))
    return SamplesDrift(new=new, old=old, difference=paired_interval(new, old, confidence))


def _unlike(before: _Sample, after: _Sample, device: str) -> tuple[NDArray[np.bool_], NDArray[np.float64], float]:
    """Which of the new images are unlike the old ones, how far each is from its nearest old one, and the true share."""
    usual = nearest_neighbours(before.vectors, before.vectors, 2, device).distances[:, 1]  # the nearest is itself
    distances = nearest_neighbours(after.vectors, before.vectors, device=device).distances[:, 0]
    fresh = np.flatnonzero(~np.isin(after.hashes, before.hashes))
    unlike = np.zeros(len(after.hashes), dtype=np.bool_)
    if not len(fresh):
        return unlike, distances, 0.0
    pool = fresh[np.random.default_rng(0).permutation(len(fresh))[: len(before.hashes)]]
    alone = _has_no_old_neighbour(before.vectors, after.vectors, pool, device)
    unlike[fresh] = (distances > np.quantile(usual, 1 - FAR))[fresh] | alone[fresh]
    share = _beyond_chance(float(unlike[fresh].mean()), len(before.hashes), len(pool))
    return unlike, distances, share * len(fresh) / len(unlike)


def _has_no_old_neighbour(
    before: NDArray[np.float32], after: NDArray[np.float32], pool: NDArray[np.int64], device: str
) -> NDArray[np.bool_]:
    """Whether each new image has only new ones, those in `pool`, among its nearest neighbours."""
    candidates = np.concatenate([before, after[pool]])
    count = min(NEIGHBOURS + 1, len(candidates))
    found = nearest_neighbours(after, candidates, count, device).indices
    own = np.full(len(after), -1)
    own[pool] = len(before) + np.arange(len(pool))
    is_itself = found == own[:, None]
    others = np.take_along_axis(found, np.argsort(is_itself, axis=1, kind="stable"), axis=1)[:, : count - 1]
    return np.asarray((others >= len(before)).all(axis=1), dtype=np.bool_)


def _beyond_chance(observed: float, old: int, new: int) -> float:
    """The share of images that are unlike the old ones, from the share that counts as such.

    Of the others, some count by chance: the neighbours of an ordinary image are old and new ones in proportion.
    """
    share = observed
    for _ in range(20):
        ordinary = new * (1 - share)
        chance = 1 - (1 - FAR) * (1 - (ordinary / (ordinary + old)) ** NEIGHBOURS)
        share = min(1.0, max(0.0, (observed - chance) / (1 - chance)))
    return share


def _finding(
    new: PreparedImages,
    after: _Sample,
    unlike: NDArray[np.bool_],
    distances: NDArray[np.float64],
    share: float,
    names: Callable[[int], str],
) -> Finding:
    chosen = np.flatnonzero(unlike)
    worst = chosen[np.argsort(-distances[chosen], kind="stable")][:WORST]
    positions = new.rows[after.indices[worst]].tolist()
    return Finding(
        name="unlike",
        title="Unlike the earlier data",
        meaning="Farther from every image of the earlier data than 99 % of that data's images are from their nearest "
        "other one, or among new images only; less those that are expected by chance.",
        count=round(share * new.count),
        among=new.count,
        worst=tuple(
            Example(position=position, name=names(position), detail=f"distance {distances[place]:.2f}")
            for position, place in zip(positions, worst.tolist(), strict=True)
        ),
    )


def _classes(
    old: PreparedImages, new: PreparedImages, after: _Sample, unlike: NDArray[np.bool_]
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
                unlike=float(unlike[here].mean()) if here.any() else 0.0,
            )
        )
    return tuple(entries)
