"""Leaves copies out of a data set while it is made: all images are decoded to disk, compared, and read again."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wgan.data.copies import Hashes, exact_copies, hash_images, joined, near_copies
from wgan.data.decoded import Decoded
from wgan.data.images import Shape
from wgan.data.source import CountedFiles

EXACT = "an exact copy of another image"
NEAR = "a near copy of another image"


def without_copies(
    decoded: Iterable[Decoded], kind: Literal["exact", "near"], shape: Shape, folder: Path, left_out: CountedFiles
) -> Iterator[Decoded]:
    """The runs without the images that are copies of earlier ones, which are counted in `left_out`.

    `folder` is an empty scratch folder with room for the pixels of all images. Memory grows by some tens of bytes per
    image.
    """
    hashes = joined(_spooled(decoded, folder))
    size = (len(hashes.pixels), shape.channels, shape.image_size, shape.image_size)
    images = np.memmap(folder / "pixels", dtype=np.uint8, mode="r", shape=size) if size[0] else np.empty(size, np.uint8)
    exact = exact_copies(hashes.pixels)
    originals = near_copies(hashes) if kind == "near" else exact
    yield from _kept(folder / "runs", images, exact, originals, left_out)


def _spooled(decoded: Iterable[Decoded], folder: Path) -> Iterator[Hashes]:
    """The hashes of all runs; their pixels and the rest of them go to files."""
    with (folder / "pixels").open("wb") as pixels, (folder / "runs").open("wb") as runs:
        for run in decoded:
            pixels.write(run.pixels.tobytes())
            pickle.dump(replace(run, pixels=run.pixels[:0]), runs)
            yield hash_images(run.pixels)


def _kept(
    runs: Path,
    images: NDArray[np.uint8],
    exact: NDArray[np.int64],
    originals: NDArray[np.int64],
    left_out: CountedFiles,
) -> Iterator[Decoded]:
    start = 0
    with runs.open("rb") as file, suppress(EOFError):
        while True:
            run: Decoded = pickle.load(file)  # written above
            rows = np.arange(start, start + len(run.labels))
            start += len(rows)
            first = originals[rows] == rows
            dropped = set()
            for place in np.flatnonzero(~first).tolist():
                name = run.origins[place].name if run.origins else f"image {rows[place]}"
                dropped.add(name)
                left_out.add(EXACT if exact[rows[place]] != rows[place] else NEAR, name)
            kept = np.flatnonzero(first).tolist()
            yield replace(
                run,
                pixels=np.array(images[rows[first]]),
                labels=[run.labels[place] for place in kept],
                origins=[run.origins[place] for place in kept] if run.origins else [],
                remarks=[(name, remark) for name, remark in run.remarks if name not in dropped],
            )
