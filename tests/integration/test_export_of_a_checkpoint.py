"""From a checkpoint on disk to the exported generator."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.unit.registry.examples import LATENT_DIM, example_config, example_generator
from wgan.errors import CheckpointError
from wgan.latents import draw_latents
from wgan.model_version.inference import open_generator
from wgan.steps.export import export_generator
from wgan.training.checkpoint import save_checkpoint
from wgan.training.state import new_state


def test_the_generator_of_a_checkpoint_is_exported(tmp_path: Path) -> None:
    config = example_config()
    state = new_state(config, torch.device("cpu"))
    state.generator.load_state_dict(example_generator().state_dict())
    checkpoint = save_checkpoint(tmp_path, state, config, "d" * 64)

    exported = export_generator(checkpoint, tmp_path / "export", samples=8)

    latents = draw_latents(2, 4, LATENT_DIM)
    with torch.inference_mode():
        expected = example_generator().eval()(torch.from_numpy(latents)).numpy()
    np.testing.assert_allclose(open_generator(exported.onnx).decode(latents), expected, atol=1e-5)
    assert json.loads(exported.config.read_text()) == {
        "name": "dcgan",
        "channels": 1,
        "image_size": 32,
        "width": 4,
        "latent_dim": LATENT_DIM,
        "opset": 18,
        "sample_seed": 0,
        "sample_count": 16,
    }


def test_a_file_that_is_not_a_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "step.pt").write_bytes(b"no checkpoint")
    with pytest.raises(CheckpointError):
        export_generator(tmp_path / "step.pt", tmp_path / "export")
