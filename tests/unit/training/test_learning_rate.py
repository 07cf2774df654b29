"""The learning rate of each step."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.unit.training.tiny_training import CPU, Recorder, run, tiny
from wgan.errors import CheckpointError
from wgan.training.checkpoint import load_checkpoint
from wgan.training.learning_rate import learning_rate_at, set_learning_rate
from wgan.training.state import new_state


def test_it_is_constant_by_default() -> None:
    assert [learning_rate_at(step, tiny(lr=1e-3).training) for step in (0, 3, 5)] == [1e-3] * 3


@pytest.mark.parametrize(("step", "rate"), [(0, 8e-4), (4, 5e-4), (7, 2.75e-4), (8, 2e-4)])
def test_it_falls_in_a_straight_line_to_its_share(step: int, rate: float) -> None:
    """The line through (0, 8e-4) and (8, 2e-4)."""
    training = tiny(lr=8e-4, lr_schedule="linear", final_lr_share=0.25, generator_steps=8).training
    assert learning_rate_at(step, training) == pytest.approx(rate)


def test_a_rate_on_the_device_is_written_in_place() -> None:
    rate = torch.tensor(1.0)
    optimizer = torch.optim.RMSprop([torch.nn.Parameter(torch.ones(1))], lr=rate)
    set_learning_rate(optimizer, 0.25)
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == 0.25


def test_both_optimizers_take_the_rate_of_their_step_and_it_is_logged(tmp_path: Path) -> None:
    observer = Recorder()
    checkpoint = run(tiny(lr=1e-3, lr_schedule="linear", generator_steps=2), observer, tmp_path).checkpoint
    assert [observer.logged[step]["learning_rate"] for step in (1, 2)] == [1e-3, 5e-4]
    content = torch.load(checkpoint, weights_only=True)
    assert [content[f"{name}_optimizer"]["param_groups"][0]["lr"] for name in ("critic", "generator")] == [5e-4] * 2


def test_the_length_of_a_scheduled_run_cannot_change(tmp_path: Path) -> None:
    short = run(tiny(lr_schedule="linear", generator_steps=2), Recorder(), tmp_path).checkpoint
    longer = tiny(lr_schedule="linear", generator_steps=3)
    with pytest.raises(CheckpointError, match=r"training.generator_steps=2, this run has 3; resume with the same"):
        load_checkpoint(short, new_state(longer, CPU), longer, "data")
