"""Makes the report on a prepared data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wgan.data.dataset import PreparedImages, all_images
from wgan.data.origins import Origins
from wgan.data_report.findings import find_all
from wgan.data_report.measures import Measures, measure_images
from wgan.data_report.record import ClassCount, DataReport, Files, Quantiles, SharedImages


@dataclass(frozen=True)
class MeasuredData:
    """A data set with what was measured of its images."""

    images: PreparedImages
    """Training and held-out images together, in the order of the shards."""
    held_out: NDArray[np.bool_]
    """Whether each is held out; (n,)."""
    measures: Measures


def measure_data(
    images: PreparedImages, workers: int, progress: Callable[[str, int, int | None], None]
) -> MeasuredData:
    """Measure every image of a data set, given by its training images, in `workers` threads."""
    together = all_images(images)
    held_out = np.zeros(together.count, dtype=np.bool_)
    if images.held_out is not None:
        held_out[np.searchsorted(together.rows, images.held_out.rows)] = True
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress("data report", done, together.count)

    return MeasuredData(together, held_out, measure_images(together, workers, advance))


def make_report(data: MeasuredData, origins: Origins | None, compared: SharedImages | None = None) -> DataReport:
    """The report on a data set; `compared` is what it shares with another one. No rule is applied yet."""
    return DataReport(
        dataset=data.images.ref,
        classes=_classes(data),
        files=_files(origins) if origins else None,
        findings=find_all(data.measures, data.images, data.held_out, origins),
        compared_with=compared,
    )


def pictures(data: MeasuredData, report: DataReport) -> Mapping[int, NDArray[np.uint8]]:
    """Position → image (C, H, W) of every example of the report."""
    examples = [example for finding in report.findings for example in finding.worst]
    wanted = {example.position for example in examples} | {
        example.like for example in examples if example.like is not None
    }
    places = np.array(sorted(wanted), dtype=np.int64)
    return dict(zip(places.tolist(), data.images.gather(places), strict=True))


def _classes(data: MeasuredData) -> tuple[ClassCount, ...]:
    labels, names = data.images.labels, data.images.ref.classes
    if labels is None:
        return ()
    known = labels >= 0
    training = np.bincount(labels[known & ~data.held_out], minlength=len(names))
    held_out = np.bincount(labels[known & data.held_out], minlength=len(names))
    counts = zip(names, training.tolist(), held_out.tolist(), strict=True)
    return tuple(ClassCount(name=name, training=some, held_out=others) for name, some, others in counts)


def _files(origins: Origins) -> Files:
    kinds, counts = np.unique(np.array(origins.formats), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return Files(
        formats={str(kinds[place]): int(counts[place]) for place in order},
        widths=_quantiles(origins.widths),
        heights=_quantiles(origins.heights),
        aspects=_quantiles(origins.aspects),
        cropped=float(origins.cropped.mean()),
    )


def _quantiles(values: NDArray[np.int64] | NDArray[np.float64]) -> Quantiles:
    least, low, median, high, greatest = np.quantile(values.astype(np.float64), (0, 0.05, 0.5, 0.95, 1)).tolist()
    return Quantiles(least=least, low=low, median=median, high=high, greatest=greatest)


def shared_images(mine: NDArray[np.uint64], digest: str, theirs: NDArray[np.uint64]) -> SharedImages:
    """What a data set shares with the one of that digest, by the hashes of their images' pixels."""
    shared = int(np.isin(mine, theirs).sum())
    return SharedImages(
        digest=digest,
        shared=shared,
        new=len(mine) - shared,
        gone=int((~np.isin(theirs, mine)).sum()),
    )
