"""Latents from outside: read, and refused unless they are what the model takes; and the way between two of them."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wgan.errors import UsageError

LARGEST = 1000.0
"""Largest magnitude of a latent value; standard normal noise stays below 6."""


def parse_npy(body: bytes) -> NDArray[np.float32]:
    """An array in numpy's format, float16, 32 or 64, from outside: nothing is unpickled, no more memory than the body.

    Raises `UsageError`.
    """
    stream = io.BytesIO(body)
    try:
        version = np.lib.format.read_magic(stream)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, column_major, dtype = read(stream)
    except (ValueError, KeyError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise UsageError("the body is not an array in numpy's .npy format, version 1 or 2.") from None
    if dtype.kind != "f" or dtype.hasobject or dtype.itemsize > 8:
        raise UsageError(f"the array holds {dtype}: allowed are float16, float32 and float64.")
    size = 1
    for length in shape:
        size *= length
    data = body[stream.tell() :]
    if size < 0 or size * dtype.itemsize != len(data):
        raise UsageError(f"the array's shape {shape} does not fit the {len(data)} bytes that follow.")
    return _float32(np.frombuffer(data, dtype).reshape(shape, order="F" if column_major else "C"))


def parse_lists(rows: list[list[float]]) -> NDArray[np.float32]:
    """Rows of numbers. Raises `UsageError` when they are not all of one length."""
    if len({len(row) for row in rows}) != 1:
        raise UsageError("the latents must be rows of one length.")
    return _float32(np.array(rows, dtype=np.float64))


def check_latents(latents: NDArray[np.float32], latent_dim: int, max_count: int) -> None:
    """Raises `UsageError` unless they are (1 … max_count, latent_dim), finite and at most `LARGEST` in magnitude."""
    if latents.ndim != 2 or latents.shape[1] != latent_dim or not 1 <= len(latents) <= max_count:
        raise UsageError(
            f"latents must be an array of 1 to {max_count} rows of {latent_dim} numbers, these are {latents.shape}."
        )
    if not np.isfinite(latents).all() or np.abs(latents).max() > LARGEST:
        raise UsageError(f"latents must be finite numbers between -{LARGEST:g} and {LARGEST:g}.")


def walk(
    start: NDArray[np.float32], end: NDArray[np.float32], frames: int, way: Literal["slerp", "lerp"]
) -> NDArray[np.float32]:
    """`frames` ≥ 2 latents (frames, z) from `start` (z,) to `end` (z,), both included.

    `slerp` goes along the great circle (Shoemake 1985): sin((1-t)ω)/sin ω · a + sin(tω)/sin ω · b, with ω the angle
    between a and b; noise of high dimension lies near a sphere, and this way stays there. `lerp` is the straight
    line, through a middle that the generator has hardly seen. Parallel ends have no great circle: then `lerp`.
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
    with np.errstate(over="ignore"):  # too large for float32 becomes infinite, which is refused as such
        return np.ascontiguousarray(values, dtype=np.float32)
