"""A checkpoint is whole or refused in a sentence that says how to go on."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
import torch

from tests.unit.training.tiny_training import CPU, Recorder, run, tiny
from wgan.errors import CheckpointError, TrainingDiverged
from wgan.training.checkpoint import (
    checkpoint_path,
    load_checkpoint,
    load_generator,
    prune_checkpoints,
    save_checkpoint,
)
from wgan.training.state import new_state


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tiny(generator_steps=2), Recorder(), tmp_path_factory.mktemp("run")).checkpoint


def refusal(path: Path, digest: str = "data", **training: object) -> str:
    config = tiny(**{"generator_steps": 2} | training)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path, new_state(config, CPU), config, digest)
    message = str(caught.value)
    assert str(path) in message
    assert message.endswith(".")
    return message


def test_a_generator_comes_back_from_the_checkpoint_alone(checkpoint: Path) -> None:
    generator = load_generator(checkpoint)
    assert not generator.training
    assert (generator.channels, generator.image_size, generator.width, generator.latent_dim) == (1, 32, 4, 6)
    saved = torch.load(checkpoint, weights_only=True)["generator"]
    assert all(torch.equal(tensor, saved[name]) for name, tensor in generator.state_dict().items())


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    assert "there is no checkpoint" in refusal(tmp_path / "step-00000009.pt")


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.99])
def test_a_truncated_checkpoint_is_refused(checkpoint: Path, tmp_path: Path, kept: float) -> None:
    content, half = checkpoint.read_bytes(), tmp_path / "half.pt"
    half.write_bytes(content[: int(len(content) * kept)])
    assert "damaged" in refusal(half)


def test_a_flipped_bit_in_a_checkpoint_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    content, flipped = bytearray(checkpoint.read_bytes()), tmp_path / "flipped.pt"
    content[len(content) // 2] ^= 1
    flipped.write_bytes(content)
    assert "damaged" in refusal(flipped)


class Code:
    """What a checkpoint must not run when it is read."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("exit 1",)


def test_a_checkpoint_with_code_in_it_is_refused(tmp_path: Path) -> None:
    torch.save({"format": Code()}, tmp_path / "code.pt")
    assert "damaged" in refusal(tmp_path / "code.pt")


def test_another_file_of_torch_is_refused(tmp_path: Path) -> None:
    torch.save({"weights": torch.zeros(3)}, tmp_path / "other.pt")
    assert "damaged" in refusal(tmp_path / "other.pt")


def test_other_data_is_refused(checkpoint: Path) -> None:
    message = refusal(checkpoint, digest="f" * 64)
    assert "data data, this run has ffffffffffff" in message
    assert "start a new run" in message


def test_a_setting_that_shapes_the_numbers_is_refused_with_both_values(checkpoint: Path) -> None:
    assert "training.lr=5e-05, this run has 0.001" in refusal(checkpoint, lr=1e-3)


def test_a_setting_that_does_not_shape_the_numbers_may_change(checkpoint: Path) -> None:
    config = tiny(generator_steps=9, log_every=7, keep_checkpoints=5)
    state = new_state(config, CPU)
    load_checkpoint(checkpoint, state, config, "data")
    assert state.generator_steps == 2


def test_a_checkpoint_past_the_end_of_the_run_is_refused(checkpoint: Path) -> None:
    assert "past this run's training.generator_steps=1" in refusal(checkpoint, generator_steps=1)


@pytest.mark.parametrize("network", ["generator", "critic"])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_weight_that_is_not_finite_is_never_saved(network: str, bad: float, tmp_path: Path) -> None:
    state = new_state(tiny(), CPU)
    save_checkpoint(tmp_path, state, tiny(), "data")
    good = checkpoint_path(tmp_path, 0).read_bytes()
    with torch.no_grad():
        next(getattr(state, network).parameters())[0, 0, 0, 0] = bad
    with pytest.raises(TrainingDiverged, match=f"a {network} weight is NaN or infinite at generator step 0"):
        save_checkpoint(tmp_path, state, tiny(), "data")
    assert checkpoint_path(tmp_path, 0).read_bytes() == good
    assert len(list(tmp_path.iterdir())) == 1


def test_a_disk_that_refuses_is_reported_and_nothing_is_left_behind(tmp_path: Path) -> None:
    checkpoint_path(tmp_path, 0).mkdir()  # the rename onto a folder fails
    with pytest.raises(CheckpointError, match="could not be written"):
        save_checkpoint(tmp_path, new_state(tiny(), CPU), tiny(), "data")
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000000.pt"]


def test_pruning_clears_what_a_killed_attempt_left_half_written(tmp_path: Path) -> None:
    (tmp_path / "step-00000003.partial").touch()
    prune_checkpoints(tmp_path, keep=2, generator_steps=10)
    assert list(tmp_path.iterdir()) == []


def test_pruning_keeps_the_newest_and_leaves_other_files_and_later_steps_alone(tmp_path: Path) -> None:
    for step in (1, 2, 3, 10, 200):
        checkpoint_path(tmp_path, step).touch()
    (tmp_path / "latest.json").touch()
    prune_checkpoints(tmp_path, keep=2, generator_steps=10)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "latest.json", "step-00000003.pt", "step-00000010.pt", "step-00000200.pt",
    ]  # fmt: skip
