"""Generate images with ONNX Runtime, the serving engine; no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from wgan.errors import WganError
from wgan.latents import draw_latents
from wgan.pixels import to_bytes

WARNINGS_AND_WORSE = 3
"""ONNX Runtime's log severity: errors only; its warnings are about graph details that users cannot change."""


@dataclass(frozen=True)
class OnnxGenerator:
    """An exported generator in ONNX Runtime on the CPU."""

    session: onnxruntime.InferenceSession
    latent_dim: int
    channels: int
    image_size: int

    def decode(
        self, latents: NDArray[np.float32], options: onnxruntime.RunOptions | None = None
    ) -> NDArray[np.float32]:
        """Noise (N, z), float32, to images (N, C, H, W), float32 in [-1, 1], in one batch.

        Setting `options.terminate` from another thread aborts it with an error.
        """
        images: NDArray[np.float32] = self.session.run(["images"], {"latents": latents}, options)[0]
        return images

    def generate(self, seed: int, count: int, batch_size: int = 64) -> NDArray[np.uint8]:
        """Images (count, C, H, W), uint8, from `draw_latents(seed, count, z)`, at most `batch_size` at a time."""
        latents = draw_latents(seed, count, self.latent_dim)
        images = np.empty((count, self.channels, self.image_size, self.image_size), dtype=np.uint8)
        for start in range(0, count, batch_size):
            batch = latents[start : start + batch_size]
            images[start : start + len(batch)] = to_bytes(self.decode(batch))
        return images


def open_generator(onnx: Path, options: onnxruntime.SessionOptions | None = None) -> OnnxGenerator:
    """Open an exported generator in a session with these options.

    Raises `WganError` if the file is not an ONNX model of `latents` (batch, z) → `images` (batch, C, H, W).
    """
    session = _open_session(onnx, options or onnxruntime.SessionOptions())
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if [entry.name for entry in inputs] != ["latents"] or [entry.name for entry in outputs] != ["images"]:
        raise WganError(f"{onnx} is not a generator: it must map `latents` to `images`.")
    _, channels, image_size, _ = outputs[0].shape
    return OnnxGenerator(session, inputs[0].shape[1], channels, image_size)


def _open_session(onnx: Path, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session on the CPU. Raises `WganError` if the file does not load."""
    options.log_severity_level = WARNINGS_AND_WORSE
    try:
        return onnxruntime.InferenceSession(str(onnx), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no common base class
        reason = " ".join(str(error).split())[:200]
        raise WganError(f"{onnx} does not load in ONNX Runtime: {reason}.") from None
