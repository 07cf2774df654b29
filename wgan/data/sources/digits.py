"""`digits`: scikit-learn's 1,797 handwritten digits, 8×8, included in the package; needs no network."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from wgan.data.source import ImageArrays, Source, content_digest

LARGEST_VALUE = 16
"""Each of the 8×8 values counts the set pixels, 0 to 16, of a 4×4 block of the scan."""


def digits_source() -> Source:
    """The digits, identified by their own values."""
    images, labels = _load()
    pixels = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()

    def open_digits(scratch: Path) -> ImageArrays:
        return ImageArrays(len(images), tuple("0123456789"), [(images, labels)])

    return Source(content_digest(source="digits", pixels=pixels), None, len(images), open_digits)


def _load() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    digits = load_digits()
    scaled = np.rint(np.asarray(digits.images) * (255 / LARGEST_VALUE)).astype(np.uint8)
    return scaled, np.asarray(digits.target, dtype=np.int64)
