"""A training can start from trained networks, with fresh optimizers, and says so in its checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.unit.training.tiny_training import CPU, Blobs, Recorder, tiny
from wgan.errors import UsageError
from wgan.training.loop import train
from wgan.training.state import StartingPoint, TrainingState, new_state, start_from

ORIGIN = "models:/generator-digits/3"


@pytest.fixture
def trained() -> TrainingState:
    """Networks of another seed stand for trained ones."""
    return new_state(tiny(seed=9), CPU)


def point(trained: TrainingState) -> StartingPoint:
    return StartingPoint(ORIGIN, trained.generator.state_dict(), trained.critic.state_dict())


def test_both_networks_and_the_average_are_taken_and_the_optimizers_are_fresh(trained: TrainingState) -> None:
    state = new_state(tiny(ema_decay=0.9), CPU)
    start_from(state, point(trained))
    assert state.average is not None
    for ours, theirs in (
        (state.generator, trained.generator),
        (state.critic, trained.critic),
        (state.average, trained.generator),
    ):
        expected = theirs.state_dict()
        assert all(torch.equal(tensor, expected[name]) for name, tensor in ours.state_dict().items())
    assert not state.generator_optimizer.state
    assert not state.critic_optimizer.state
    assert (state.generator_steps, state.critic_steps) == (0, 0)


def test_networks_of_other_shapes_are_refused_in_one_sentence(trained: TrainingState) -> None:
    wider = tiny().model_copy(update={"networks": tiny().networks.model_copy(update={"width": 8})})
    with pytest.raises(UsageError, match=r"^the generator of models:/generator-digits/3 has other shapes .*none\.$"):
        start_from(new_state(wider, CPU), point(trained))


def test_a_resumed_run_keeps_its_networks_and_remembers_where_it_started(
    trained: TrainingState, tmp_path: Path
) -> None:
    config = tiny(generator_steps=2, n_critic=1)
    first = train(config, Blobs(), "data", Recorder(stop_at=1), CPU, tmp_path, start=point(trained))
    assert first.started_from == ORIGIN
    assert torch.load(first.checkpoint, weights_only=True)["started_from"] == ORIGIN
    whole = train(config, Blobs(), "data", Recorder(), CPU, tmp_path / "whole", start=point(trained))
    resumed = train(config, Blobs(), "data", Recorder(), CPU, tmp_path, first.checkpoint, start=None)
    assert resumed.started_from == ORIGIN
    ours, theirs = (torch.load(run.checkpoint, weights_only=True)["critic"] for run in (resumed, whole))
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


def test_a_run_from_scratch_says_nothing_of_a_start(tmp_path: Path) -> None:
    result = train(tiny(generator_steps=1, n_critic=1), Blobs(), "data", Recorder(), CPU, tmp_path)
    assert result.started_from is None
