"""A small run that exercises everything: 32×32, width 16, batches of 64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.unit.training.tiny_training import Blobs, Recorder
from wgan.config import RetrainConfig
from wgan.config_reading import parse_config
from wgan.training.loop import TrainingResult, train
from wgan.training.runner import Execution

CPU, CUDA = torch.device("cpu"), torch.device("cuda:0")
STEPS = 20


def configured(**training: Any) -> RetrainConfig:
    """Twenty generator steps of five critic steps, logged at each; float32 products are not rounded to TF32."""
    settings = {
        "generator_steps": STEPS,
        "batch_size": 64,
        "n_critic": 5,
        "log_every": 1,
        "sample_count": 8,
        "checkpoint_every_steps": 1000,
        "checkpoint_every_seconds": 3600.0,
        "precision": "float32",
        "tf32": False,
    }
    return parse_config({"networks": {"width": 16, "latent_dim": 32}, "training": settings | training})


def trained(
    config: RetrainConfig,
    folder: Path,
    execution: Execution,
    device: torch.device = CUDA,
    resume_from: Path | None = None,
    stop_at: int | None = None,
) -> tuple[TrainingResult, Recorder]:
    """The run, and what it reported."""
    folder.mkdir(exist_ok=True)
    recorder = Recorder(stop_at=stop_at)
    images = Blobs(count=500)
    return train(config, images, "data", recorder, device, folder, resume_from, execution=execution), recorder


def series(recorder: Recorder, name: str) -> np.ndarray:
    """What was logged under a name, step by step."""
    return np.array([values[name] for _, values in sorted(recorder.logged.items())])


def deviation(ours: np.ndarray, theirs: np.ndarray) -> float:
    """‖ours − theirs‖ / ‖theirs‖."""
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))
