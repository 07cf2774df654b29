"""The loop offers its checkpoints for evaluation, and ends where that says so; no weight depends on it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.unit.training.tiny_training import CPU, Blobs, Recorder, tiny, weights
from wgan.training.callbacks import Evaluate
from wgan.training.loop import TrainingResult, train


def trained(
    folder: Path,
    evaluate: Evaluate | None,
    observer: Recorder | None = None,
    resume_from: Path | None = None,
    **settings: int,
) -> TrainingResult:
    """Four generator steps of one critic step, evaluated every second."""
    config = tiny(
        **{"generator_steps": 4, "n_critic": 1, "evaluate_every": 2, "checkpoint_every_steps": 1000} | settings
    )
    observer = observer or Recorder()
    return train(config, Blobs(), "data", observer, CPU, folder, resume_from, evaluate=evaluate)


class Evaluations:
    """Records the steps it is called with; ends the training at `end_at`."""

    def __init__(self, end_at: int | None = None) -> None:
        self.steps: list[int] = []
        self.end_at = end_at

    def __call__(self, step: int, checkpoint: Path) -> bool:
        assert torch.load(checkpoint, weights_only=True)["generator_steps"] == step
        self.steps.append(step)
        return step == self.end_at


@pytest.mark.parametrize(("steps", "expected"), [(4, [2, 4]), (3, [2, 3])])
def test_every_nth_and_the_last_checkpoint_are_evaluated(steps: int, expected: list[int], tmp_path: Path) -> None:
    evaluations = Evaluations()
    result = trained(tmp_path, evaluations, generator_steps=steps)
    assert evaluations.steps == expected
    assert not result.ended_early


def test_nothing_is_evaluated_unless_the_configuration_asks_for_it(tmp_path: Path) -> None:
    evaluations = Evaluations()
    trained(tmp_path, evaluations, evaluate_every=0, generator_steps=2)
    assert evaluations.steps == []


def test_an_evaluation_changes_no_weight(tmp_path: Path) -> None:
    ours = weights(trained(tmp_path / "with", Evaluations()).checkpoint)
    theirs = weights(trained(tmp_path / "without", None, evaluate_every=0).checkpoint)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_an_evaluation_can_end_the_training(tmp_path: Path) -> None:
    result = trained(tmp_path, Evaluations(end_at=2))
    assert (result.ended_early, result.stopped, result.generator_steps) == (True, False, 2)


def test_a_resumed_run_evaluates_the_checkpoint_that_it_resumes_from(tmp_path: Path) -> None:
    stopped = trained(tmp_path, Evaluations(), Recorder(stop_at=2))
    again = Evaluations()
    trained(tmp_path, again, resume_from=stopped.checkpoint)
    assert again.steps == [2, 4]


def test_a_run_that_was_killed_after_its_early_end_trains_no_further(tmp_path: Path) -> None:
    ended = trained(tmp_path, Evaluations(end_at=2))
    observer = Recorder()
    again = trained(tmp_path, Evaluations(end_at=2), observer, resume_from=ended.checkpoint)
    assert (again.ended_early, again.generator_steps, again.checkpoint) == (True, 2, ended.checkpoint)
    assert observer.logged == {}
