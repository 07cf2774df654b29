"""A generator in ONNX Runtime, with the batch sizes verified to give the same bits as one image at a time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from wgan.errors import WganError
from wgan.latents import draw_latents
from wgan.model_version.inference import OnnxGenerator, open_generator
from wgan.serving.faults import VersionFault


@dataclass(frozen=True)
class Engine:
    """A loaded generator. `batch_sizes` are the allowed batch sizes, ascending, always including 1."""

    generator: OnnxGenerator
    batch_sizes: tuple[int, ...]

    @property
    def latent_dim(self) -> int:
        """Dimension z of the noise."""
        return self.generator.latent_dim

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.generator.channels, self.generator.image_size, self.generator.image_size

    def batch_size_for(self, waiting: int) -> int:
        """How many of `waiting` ≥ 1 rows the next pass takes: the largest size they fill, without padding."""
        return max(size for size in self.batch_sizes if size <= waiting)


def load_engine(onnx: Path, threads: int) -> Engine:
    """Open a generator; its only batch size is 1 until `verify_batch_sizes`. Raises `VersionFault` if invalid."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin between requests would take CPU time from other work.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        generator = open_generator(onnx, options)
    except WganError as error:
        raise VersionFault(str(error).replace(str(onnx), onnx.name)) from None
    except (TypeError, ValueError, IndexError):
        raise VersionFault(f"{onnx.name} is not a generator of images (N, C, H, W).") from None
    if not all(isinstance(size, int) for size in (generator.latent_dim, generator.channels, generator.image_size)):
        raise VersionFault(f"{onnx.name} is not a generator of a fixed latent dimension and image size.")
    return Engine(generator, (1,))


def verify_batch_sizes(engine: Engine, max_batch: int, seed: int = 0, duty: float = 1.0) -> Engine:
    """Warm up every power of two up to `max_batch` and keep those that give the same bits as one image at a time.

    A matrix product may add in a different order for a different batch size, which changes the last bit and possibly a
    rounded byte. Each size is run forwards and backwards, so that every row is tested at two positions, and compared
    bit for bit. With the remaining sizes, each image has the same bytes whatever it is batched with. `duty` is the
    share of time spent computing: less than 1 leaves CPU time for the model being served.
    """
    latents = draw_latents(seed, max_batch, engine.latent_dim)
    alone = np.concatenate([_paced(engine, latents[row : row + 1], duty) for row in range(max_batch)])
    if not np.isfinite(alone).all():
        raise VersionFault("the model draws pixels that are not finite numbers.")
    proved = [1]
    size = 2
    while size <= max_batch:
        forwards = _paced(engine, latents[:size], duty)
        backwards = _paced(engine, np.ascontiguousarray(latents[:size][::-1]), duty)
        if np.array_equal(forwards, alone[:size]) and np.array_equal(backwards[::-1], alone[:size]):
            proved.append(size)
        size *= 2
    return Engine(engine.generator, tuple(proved))


def check_sample(engine: Engine, sample: NDArray[np.float32], seed: int, tolerance: float, duty: float = 1.0) -> None:
    """Draw the version's recorded sample again. Raises `VersionFault` if it differs by more than the tolerance.

    `sample` is float32 (N, C, H, W) in [-1, 1], made from `draw_latents(seed, N, z)` when the version was exported.
    """
    if sample.ndim != 4 or sample.shape[1:] != engine.image_shape or not len(sample):
        raise VersionFault(
            f"the recorded sample has shape {sample.shape}, the model draws images {engine.image_shape}."
        )
    latents = draw_latents(seed, len(sample), engine.latent_dim)
    start, worst = 0, 0.0
    while start < len(sample):
        size = engine.batch_size_for(len(sample) - start)
        drawn = _paced(engine, latents[start : start + size], duty)
        worst = float(np.maximum(worst, np.abs(drawn - sample[start : start + size]).max()))
        start += size
    if not worst <= tolerance:  # also true of NaN
        raise VersionFault(
            f"the model does not reproduce its recorded sample: a pixel differs by {worst:.3g}, "
            f"allowed is {tolerance:g} (range [-1, 1])."
        )


def _paced(engine: Engine, latents: NDArray[np.float32], duty: float) -> NDArray[np.float32]:
    started = time.monotonic()
    try:
        images = engine.generator.decode(latents)
    except Exception as error:  # ONNX Runtime's errors have no common base class
        raise VersionFault(f"the model does not run: {' '.join(str(error).split())[:200]}.") from None
    if images.shape != (len(latents), *engine.image_shape):
        raise VersionFault(f"the model draws {images.shape} where {(len(latents), *engine.image_shape)} was announced.")
    if duty < 1:
        time.sleep((time.monotonic() - started) * (1 / duty - 1))
    return images
