"""A training small enough for a test: the smallest images and the narrowest networks that can be configured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wgan.config import RetrainConfig
from wgan.config_reading import parse_config
from wgan.training.loop import TrainingResult, train

CPU = torch.device("cpu")


@dataclass
class Blobs:
    """Bright discs at random places: a minimal data set that a generator can learn."""

    count: int = 40
    channels: int = 1
    image_size: int = 32
    asked: list[NDArray[np.int64]] = field(default_factory=list)

    def __post_init__(self) -> None:
        places = np.random.Generator(np.random.Philox(5)).uniform(8, 24, size=(self.count, 2, 1, 1))
        rows, columns = np.mgrid[: self.image_size, : self.image_size]
        disc = (rows - places[:, 0]) ** 2 + (columns - places[:, 1]) ** 2 < 36
        self.images = (disc[:, None] * np.uint8(255)).repeat(self.channels, axis=1)

    def gather(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        self.asked.append(indices)
        return self.images[indices]


@dataclass
class Recorder:
    """Records what the loop reports; stops it after `stop_at` generator steps."""

    stop_at: int | None = None
    logged: dict[int, dict[str, float]] = field(default_factory=dict)
    grids: dict[int, NDArray[np.uint8]] = field(default_factory=dict)
    checkpoints: list[tuple[int, Path]] = field(default_factory=list)
    asked: int = 0

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        assert step not in self.logged
        self.logged[step] = dict(values)

    def samples(self, step: int, images: NDArray[np.uint8]) -> None:
        self.grids[step] = images

    def checkpoint(self, step: int, path: Path) -> None:
        assert path.is_file()
        self.checkpoints.append((step, path))

    def should_stop(self) -> bool:
        self.asked += 1
        return self.asked == self.stop_at


def tiny(**training: Any) -> RetrainConfig:
    """Width 4, z 6, batches of 8, 6 generator steps of 2 critic steps each, logged at every one."""
    settings = {
        "generator_steps": 6,
        "batch_size": 8,
        "n_critic": 2,
        "log_every": 1,
        "sample_every": 3,
        "sample_count": 4,
        "checkpoint_every_steps": 2,
        "checkpoint_every_seconds": 3600.0,
        "precision": "float32",
    }
    return parse_config({"networks": {"width": 4, "latent_dim": 6}, "training": settings | training})


def run(
    config: RetrainConfig, observer: Recorder, folder: Path, resume_from: Path | None = None, digest: str = "data"
) -> TrainingResult:
    """Train on the CPU."""
    folder.mkdir(exist_ok=True)
    return train(config, Blobs(), digest, observer, CPU, folder, resume_from)


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    """Every tensor of both networks and both optimizers, by name."""
    content = torch.load(checkpoint, weights_only=True)
    tensors = {}
    for part in ("generator", "critic"):
        tensors |= {f"{part}.{name}": tensor for name, tensor in content[part].items()}
        for index, values in content[f"{part}_optimizer"]["state"].items():
            tensors |= {f"{part}_optimizer.{index}.{name}": tensor for name, tensor in values.items()}
    return tensors
