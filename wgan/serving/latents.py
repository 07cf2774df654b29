"""Parses and validates latents from clients, and interpolates between two of them."""

from __future__ import annotations

import math
import re
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wgan.errors import UsageError

LENGTH_BYTES = {b"\x93NUMPY\x01\x00": 2, b"\x93NUMPY\x02\x00": 4}
"""Number of bytes of the header's length, by the file's first eight bytes."""
LONGEST_HEADER = 10_000
DESCR = rb"""['"]descr['"]\s*:\s*['"]([<>=|]?f[248])['"]"""
ORDER = rb"""['"]fortran_order['"]\s*:\s*(True|False)"""
SHAPE = rb"""['"]shape['"]\s*:\s*\(((?:\s*[0-9]{1,12}\s*,)*\s*(?:[0-9]{1,12})?)\s*\)"""
FIELD = rb"\s*(?:" + DESCR + rb"|" + ORDER + rb"|" + SHAPE + rb")\s*"
ALL_THREE = b"".join(rb"(?=.*" + field + rb")" for field in (DESCR, ORDER, SHAPE))
HEADER = re.compile(rb"\s*\{" + ALL_THREE + rb",".join([FIELD] * 3) + rb",?\s*\}\s*")
MOST_DIMENSIONS = 8
LARGEST = 1000.0
"""Largest magnitude of a latent value; standard normal noise stays below 6."""


def parse_npy(body: bytes) -> NDArray[np.float32]:
    """An array in numpy's format, float16, 32 or 64, untrusted: nothing is unpickled, memory is bounded by the body.

    numpy's own reader evaluates the header as Python; here it must have the exact form that numpy writes. Raises
    `UsageError`.
    """
    start = LENGTH_BYTES.get(body[:8])
    if start is None:
        raise UsageError("the body is not an array in numpy's .npy format, version 1 or 2.")
    begin = 8 + start
    end = begin + int.from_bytes(body[8:begin], "little")
    header = body[begin:end] if end <= min(len(body), LONGEST_HEADER) else b""
    if not HEADER.fullmatch(header):
        raise UsageError(
            "the array's .npy header is not one of floats: 'descr' (float16, 32 or 64), 'fortran_order' and 'shape'."
        )
    dtype = np.dtype(_field(DESCR, header))
    shape = tuple(int(length) for length in _field(SHAPE, header).replace(",", " ").split())
    data = body[end:]
    if len(shape) > MOST_DIMENSIONS or math.prod(shape) * dtype.itemsize != len(data):
        raise UsageError(f"the array's shape does not fit the {len(data)} bytes that follow its header.")
    order: Literal["F", "C"] = "F" if _field(ORDER, header) == "True" else "C"
    return _float32(np.frombuffer(data, dtype).reshape(shape, order=order))


def _field(pattern: bytes, header: bytes) -> str:
    found = re.search(pattern, header)
    assert found is not None  # the header has all three
    return found[1].decode("ascii")


def parse_lists(rows: list[list[float]]) -> NDArray[np.float32]:
    """Rows of numbers. Raises `UsageError` unless all have the same length."""
    if len({len(row) for row in rows}) != 1:
        raise UsageError("the latents must be rows of one length.")
    return _float32(np.array(rows, dtype=np.float64))


def check_latents(latents: NDArray[np.float32], latent_dim: int) -> None:
    """Raises `UsageError` unless they are (1 or more, latent_dim), finite and at most `LARGEST` in magnitude."""
    if latents.ndim != 2 or latents.shape[1] != latent_dim or not len(latents):
        raise UsageError(f"latents must be an array of rows of {latent_dim} numbers each, these are {latents.shape}.")
    if not np.isfinite(latents).all() or np.abs(latents).max() > LARGEST:
        raise UsageError(f"latents must be finite numbers between -{LARGEST:g} and {LARGEST:g}.")


def walk(
    start: NDArray[np.float32], end: NDArray[np.float32], frames: int, way: Literal["slerp", "lerp"]
) -> NDArray[np.float32]:
    """`frames` ≥ 2 latents (frames, z) from `start` (z,) to `end` (z,), both included.

    `slerp` follows the great circle (Shoemake 1985): sin((1-t)ω)/sin ω · a + sin(tω)/sin ω · b, with ω the angle
    between a and b; noise of high dimension lies near a sphere, and this path stays there. `lerp` is the straight line,
    whose middle the generator has hardly seen. Parallel ends have no great circle: then `lerp`.
    """
    a, b = start.astype(np.float64), end.astype(np.float64)
    t = np.linspace(0.0, 1.0, frames)[:, None]
    cosine = np.clip(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)), -1.0, 1.0)
    angle = np.arccos(cosine)
    if way == "lerp" or np.sin(angle) < 1e-6:
        path = (1 - t) * a + t * b
    else:
        path = (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)
    return path.astype(np.float32)


def _float32(values: NDArray[np.floating]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # overflow becomes infinite, which is refused later
        return np.ascontiguousarray(values, dtype=np.float32)
