"""What the files of a data set were before they were shaped: one CSV line per image, in the order of the images.

It lies beside the shards and is named by the manifest. Data sets that were made from arrays, or prepared before it was
kept, have none.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from wgan.data.source import printable

COLUMNS = ("name", "format", "width", "height", "cropped")


@dataclass(frozen=True)
class Origin:
    """One image's file."""

    name: str
    format: str
    """As Pillow names it."""
    width: int
    """Pixels, upright."""
    height: int
    cropped: float
    """Share of the picture's area that is not in the prepared image, in [0, 1)."""


@dataclass(frozen=True)
class Origins:
    """The files of a data set's n images."""

    names: tuple[str, ...]
    formats: tuple[str, ...]
    widths: NDArray[np.int64]
    heights: NDArray[np.int64]
    cropped: NDArray[np.float64]

    @property
    def aspects(self) -> NDArray[np.float64]:
        """The longer side over the shorter one."""
        sides = np.stack([self.widths, self.heights])
        ratios: NDArray[np.float64] = sides.max(axis=0) / np.maximum(sides.min(axis=0), 1)
        return ratios


def write_origins(file: TextIO, origins: Sequence[Origin]) -> None:
    """Append images to a file."""
    writer = csv.writer(file, lineterminator="\n")
    for origin in origins:
        writer.writerow((printable(origin.name), origin.format, origin.width, origin.height, f"{origin.cropped:.4f}"))


def read_origins(path: Path) -> Origins:
    """Read a file of `write_origins`. Raises `ValueError` if it is not one."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    if any(len(row) != len(COLUMNS) for row in rows):
        raise ValueError(f"each line has {len(COLUMNS)} fields")
    names, formats, widths, heights, cropped = zip(*rows, strict=True) if rows else ((),) * len(COLUMNS)
    return Origins(
        names,
        formats,
        np.array(widths, dtype=np.int64),
        np.array(heights, dtype=np.int64),
        np.array(cropped, dtype=np.float64),
    )
