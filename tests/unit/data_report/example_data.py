"""Prepared data sets in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wgan.data.dataset import PreparedImages
from wgan.data.held_out import training_rows
from wgan.data.origins import Origins
from wgan.data_report.make import MeasuredData, make_report, measure_data
from wgan.data_report.record import DataReport
from wgan.records import DatasetRef


def data_set(
    images: NDArray[np.uint8],
    held_out: tuple[int, ...] = (),
    labels: NDArray[np.int64] | None = None,
    classes: tuple[str, ...] = (),
    digest: str = "a" * 64,
) -> PreparedImages:
    """The training images of a data set of `images` (n, C, H, W), in one shard; `held_out` are positions."""
    kept_out = np.array(held_out, dtype=np.int64)
    ref = DatasetRef(
        name="examples",
        source="folder",
        digest=digest,
        uri=f"s3://wgan/datasets/examples/{digest}/manifest.json",
        manifest_sha256="b" * 64,
        count=len(images) - len(held_out),
        held_out_count=len(held_out),
        bad_count=0,
        image_size=images.shape[-1],
        channels=images.shape[1],
        classes=classes,
    )

    def part(rows: NDArray[np.int64], others: PreparedImages | None) -> PreparedImages:
        return PreparedImages(
            ref, (images,), np.zeros(1, dtype=np.int64), rows, None if labels is None else labels[rows], others
        )

    return part(training_rows(len(images), kept_out), part(kept_out, None) if held_out else None)


def measured(images: PreparedImages) -> MeasuredData:
    """The data set with its measures."""
    return measure_data(images, 2, lambda stage, done, total: None)


def report_of(images: NDArray[np.uint8], origins: Origins | None = None, **more: Any) -> DataReport:
    """The report on a data set of `images`."""
    return make_report(measured(data_set(images, **more)), origins)


def origins_of(sizes: list[tuple[int, int]]) -> Origins:
    """Files of these widths and heights."""
    widths, heights = (np.array(sides, dtype=np.int64) for sides in zip(*sizes, strict=True))
    cropped = 1 - np.minimum(widths, heights) / np.maximum(widths, heights)
    names = tuple(f"{number}.png" for number in range(len(sizes)))
    return Origins(names, ("PNG",) * len(sizes), widths, heights, cropped)
