"""Chooses black and white for images whose file declares no range: floating-point and signed samples.

One rule, and one range for the whole data set: pictures keep their brightness relative to each other. Let `high` be the
largest 99.9th percentile of the samples of any of these images, and `low` the smallest 0.1th.

- Floating point: white is 1 when `high` is at most 2; else the first of 255, 1023, 4095, 16383 and 65535 that `high`
  does not exceed by more than 6 %; else `high`.
- Signed integers: white is the largest value of their depth; for 32 bits and more 65535 when `high` does not exceed it.
- Black is 0, and minus white when `low` is below -5 % of white.

Samples beyond either are clipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WHITES = (255.0, 1023.0, 4095.0, 16383.0, 65535.0)
SHARE_WITHIN = 99.9
"""Percentile: a few hot or dead pixels do not set the range of a data set."""
TOLERANCE = 1.06
SMALL_FLOATS = 2.0
NEGATIVE_SHARE = 0.05
SMALLEST_SPAN = 1e-30


@dataclass(frozen=True)
class Extent:
    """The range of the samples of some images, ignoring a few outliers."""

    low: float
    high: float
    integer_bits: int = 0
    """Depth of signed integers; 0 for floating point."""

    def joined(self, other: Extent | None) -> Extent:
        """The joint extent of two of the same depth."""
        if other is None:
            return self
        return Extent(min(self.low, other.low), max(self.high, other.high), self.integer_bits)


@dataclass(frozen=True)
class SampleRange:
    """Which sample values are black and white."""

    black: float
    white: float

    def shares(self, samples: NDArray[np.generic]) -> NDArray[np.float32]:
        """Samples as float32 between 0, black, and 1, white."""
        span = max(self.white - self.black, SMALLEST_SPAN)
        values: NDArray[np.float64] = (samples.astype(np.float64) - self.black) / span
        shares: NDArray[np.float32] = np.clip(values, 0.0, 1.0).astype(np.float32)
        return shares


Scale = Mapping[int, SampleRange]
"""The ranges of a data set, by the depth of signed integers; 0 for floating point."""


def join(extents: Iterable[Extent]) -> dict[int, Extent]:
    """The joined extents, by depth."""
    joined: dict[int, Extent] = {}
    for extent in extents:
        joined[extent.integer_bits] = extent.joined(joined.get(extent.integer_bits))
    return joined


def scale_of(measured: Iterable[Mapping[int, Extent]]) -> Scale:
    """The ranges of a data set from the extents of its parts."""
    extents = join(extent for part in measured for extent in part.values())
    return {bits: range_of(extent) for bits, extent in extents.items()}


def extent_of(samples: NDArray[np.generic]) -> Extent:
    """The extent of one image's samples. Raises `ValueError` for samples that are not finite."""
    if not np.isfinite(samples).all():
        raise ValueError("pixel values that are not finite")
    low, high = np.percentile(samples.astype(np.float64), [100 - SHARE_WITHIN, SHARE_WITHIN])
    bits = samples.dtype.itemsize * 8 if samples.dtype.kind == "i" else 0
    return Extent(float(low), float(high), bits)


def range_of(extent: Extent) -> SampleRange:
    """The rule of this module."""
    high = extent.high
    if extent.integer_bits:
        largest = 2.0 ** (extent.integer_bits - 1) - 1
        white = WHITES[-1] if extent.integer_bits >= 32 and high <= WHITES[-1] else largest
    elif high <= SMALL_FLOATS:
        white = 1.0
    else:
        white = next((white for white in WHITES if high <= white * TOLERANCE), high)
    return SampleRange(-white if extent.low < -NEGATIVE_SHARE * white else 0.0, white)


def range_in(scale: Scale | None, extent: Extent) -> SampleRange:
    """The range of an image's samples in a data set of this scale; without a scale, from the image itself.

    Raises `ValueError` if the data set's images of this depth were not measured.
    """
    if scale is None:
        return range_of(extent)
    if extent.integer_bits not in scale:
        raise ValueError("samples of no declared range, which were not measured with the data set's others")
    return scale[extent.integer_bits]
