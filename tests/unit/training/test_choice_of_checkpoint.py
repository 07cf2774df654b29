"""The best checkpoint is chosen, whatever is interrupted and wherever checkpoints are evaluated."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest

from tests.unit.training.tiny_training import CPU, tiny
from wgan.evaluation.side_by_side import GenerateImages
from wgan.records import CheckpointEvaluation
from wgan.steps.evaluate_checkpoints import CheckpointEvaluations
from wgan.training.checkpoint import load_generator, save_checkpoint
from wgan.training.sampling import generate_images
from wgan.training.state import new_state


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("run"), new_state(tiny(), CPU), tiny(), "data")


class Distances:
    """Measures the given Fréchet distances, one after the other."""

    def __init__(self, *distances: float) -> None:
        self.left = list(distances)
        self.threads: set[str] = set()
        self.may_measure = threading.Event()
        self.may_measure.set()

    def __call__(self, generate: GenerateImages) -> Mapping[str, float]:
        assert generate(0, 2).shape == (2, 1, 32, 32)
        assert self.may_measure.wait(60)
        self.threads.add(threading.current_thread().name)
        return {"fid": self.left.pop(0)}


def evaluations(
    measure: Distances, patience: int = 0, background: bool = False, told: list[int] | None = None
) -> CheckpointEvaluations:
    steps = [] if told is None else told
    return CheckpointEvaluations(
        measure,
        lambda path: partial(generate_images, load_generator(path)),
        "protocol",
        64,
        patience,
        lambda step, values: steps.append(step),
        background,
    )


def found(step: int, fid: float, digest: str = "protocol") -> CheckpointEvaluation:
    return CheckpointEvaluation(step=step, metrics={"fid": fid}, protocol_digest=digest)


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize(
    ("distances", "patience", "ends_at"),
    [((9, 8, 7, 8, 9), 0, None), ((9, 8, 7, 8, 9), 2, 5), ((9, 9, 9), 2, 3), ((9, 8, 9, 7, 9, 6), 2, None)],
)
def test_training_ends_when_that_many_evaluations_brought_no_lower_distance(
    distances: tuple[float, ...], patience: int, ends_at: int | None, background: bool, checkpoint: Path
) -> None:
    with evaluations(Distances(*distances), patience, background) as run:
        ended = [step for step in range(1, len(distances) + 1) if run.evaluate(step, checkpoint)]
    assert ended == ([] if ends_at is None else [ends_at])


def test_the_lowest_distance_is_chosen_and_the_reason_names_it(checkpoint: Path) -> None:
    with evaluations(Distances(9, 7.25, 7.25, 8)) as run:
        for step in (10, 20, 30, 40):
            run.evaluate(step, checkpoint)
    choice = run.choose({10, 20, 30, 40}, 40, ended_early=False)
    assert choice is not None
    assert choice.step == 20
    assert choice.reason == (
        "The checkpoint of step 20 has a Fréchet distance of 7.25, the lowest of 4 evaluations during training, 64 "
        "images each; the last, of step 40, had 8.00."
    )


def test_only_a_checkpoint_that_is_in_storage_is_chosen(checkpoint: Path) -> None:
    with evaluations(Distances(7, 9, 8)) as run:
        for step in (1, 2, 3):
            run.evaluate(step, checkpoint)
    choice = run.choose({2, 3}, 3, ended_early=True)
    assert choice is not None
    assert (choice.step, choice.ended_early) == (3, True)


def test_the_best_checkpoint_so_far_is_kept_and_so_is_one_without_a_result(checkpoint: Path) -> None:
    measure = Distances(7, 9, 8)
    with evaluations(measure, background=True) as run:
        run.evaluate(1, checkpoint)
        run.evaluate(2, checkpoint)
        run.wait()
        assert run.evaluated(2).needed == {1}
        measure.may_measure.clear()
        run.evaluate(3, checkpoint)
        assert run.evaluated(3).needed == {1, 3}
        measure.may_measure.set()
        run.wait()
    assert run.evaluated(3).needed == {1}
    assert [evaluation.step for evaluation in run.evaluated(2).evaluations] == [1, 2]


def test_in_the_background_a_thread_of_its_own_evaluates(checkpoint: Path) -> None:
    measure = Distances(1)
    with evaluations(measure, background=True) as run:
        run.evaluate(1, checkpoint)
        run.wait()
    assert threading.current_thread().name not in measure.threads


def test_a_resumed_run_takes_over_earlier_results_and_measures_none_twice(checkpoint: Path) -> None:
    told: list[int] = []
    with evaluations(Distances(8), patience=3, told=told) as run:
        run.restore([found(1, 7), found(2, 9), found(3, 6)], step=2)
        assert not run.evaluate(2, checkpoint)
        assert not run.evaluate(3, checkpoint)
    assert [evaluation.metrics["fid"] for evaluation in run.finished] == [7, 9, 8]
    assert told == [1, 2, 3]


def test_results_of_another_protocol_are_not_compared() -> None:
    run = evaluations(Distances())
    run.restore([found(1, 3, digest="another"), found(2, 9)], step=2)
    assert [evaluation.step for evaluation in run.finished] == [2]


def test_what_an_evaluation_raises_ends_the_training(checkpoint: Path) -> None:
    with evaluations(Distances(), background=True) as run:
        run.evaluate(1, checkpoint)
        with pytest.raises(IndexError):
            run.wait()
