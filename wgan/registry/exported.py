"""The files of one exported generator; read by registration, which needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wgan.records import ExportCheck


@dataclass(frozen=True)
class ExportedGenerator:
    """The files of one exported generator, side by side in a folder."""

    onnx: Path
    """`latents` float32 (batch, z) → `images` float32 (batch, C, H, W) in [-1, 1]; weights inside, batch dynamic."""
    onnx_sha256: str
    safetensors: Path
    """The generator's parameters and buffers."""
    config: Path
    """JSON: name of the network, channels, image_size, width, latent_dim, opset, sample_seed, sample_count."""
    sample: Path
    """`.npy`, float32 (sample_count, C, H, W): ONNX Runtime's images of `draw_latents(sample_seed, …)`."""
    picture: Path
    """The sample as a PNG."""
    check: ExportCheck
