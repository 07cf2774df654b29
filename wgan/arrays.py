"""Reads untrusted array files, or refuses them in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from wgan.errors import WganError


class NotAnArray(WganError):
    """The data is not an array in numpy's format; the message says why, for a sentence that names the file."""


def load_array(source: Path | BinaryIO, *, mapped: bool = False) -> NDArray[Any]:
    """The array of a `.npy` file; nothing is unpickled. Raises `NotAnArray`."""
    try:
        array = np.load(source, mmap_mode="r" if mapped else None, allow_pickle=False)
    except Exception as error:  # numpy evaluates the header, which can raise anything
        raise NotAnArray(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(array, np.ndarray):  # an archive of arrays
        raise NotAnArray("it holds several")
    return array
