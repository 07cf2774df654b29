"""The best checkpoint of a training is what is evaluated and registered, also after an interruption."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import pytest
import torch

from tests.integration.command_line import QUICK, assigned
from tests.integration.stack_commands import wait_for
from wgan.config import RetrainConfig
from wgan.config_reading import load_config
from wgan.data.prepare import prepare_dataset
from wgan.errors import Interrupted
from wgan.evaluation.during_training import SEED, TrainingEvaluation
from wgan.evaluation.side_by_side import GenerateImages
from wgan.records import DatasetRef, TrainingRef
from wgan.settings import Settings
from wgan.steps import evaluate_checkpoints
from wgan.steps.train import run_training
from wgan.steps.training_session import PipelineObserver
from wgan.storage import Storage, split_uri
from wgan.storage.checkpoints import latest_checkpoints, read_latest
from wgan.tracking.client import tracking_client
from wgan.tracking.runs import metric_history

EVALUATED = (2, 4, 6, 8)


@pytest.fixture(scope="module")
def config() -> RetrainConfig:
    changes = (
        "training.generator_steps=8",
        "training.n_critic=1",
        "training.precision=float32",
        "training.evaluate_every=2",
        "training.evaluation_images=32",
        "training.keep_checkpoints=1",
        "training.checkpoint_every_steps=1000",
        "training.lr=1e-2",
    )
    options = assigned(*QUICK, *changes)
    return load_config("digits", assignments=options[1::2])


@pytest.fixture(scope="module")
def dataset(config: RetrainConfig, stack: Settings, storage: Storage) -> DatasetRef:
    return prepare_dataset(config.data, stack, storage)


@pytest.fixture(scope="module")
def whole(config: RetrainConfig, dataset: DatasetRef, stack: Settings, storage: Storage) -> TrainingRef:
    """The training that nothing interrupted."""
    return run_training(config, dataset, stack, storage, str(uuid4()))


@pytest.fixture
def best_is_step_4(monkeypatch: pytest.MonkeyPatch) -> None:
    """Distances as they may come out: 9, 5, 7, 8; everything else is measured."""
    distances: Iterator[float] = iter((9.0, 5.0, 7.0, 8.0))
    measure = TrainingEvaluation.__call__

    def chosen(self: TrainingEvaluation, generate: GenerateImages) -> dict[str, float]:
        return measure(self, generate) | {"fid": next(distances)}

    monkeypatch.setattr(TrainingEvaluation, "__call__", chosen)


def published(flow_run: str, settings: Settings, storage: Storage) -> list[int]:
    """The steps of the listed checkpoints, newest first."""
    return [checkpoint.step for checkpoint in latest_checkpoints(flow_run, settings, storage)]


def stopping_at_4(report: Callable[..., None]) -> Callable[[PipelineObserver, int, Path], None]:
    """Reports a checkpoint; that of step 4 is followed by a signal, which stops the training after step 5."""

    def stopping(self: PipelineObserver, step: int, path: Path) -> None:
        report(self, step, path)
        if step == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    return stopping


def curve(run: str, settings: Settings, name: str) -> dict[int, float]:
    return {step: values[name] for step, values in metric_history(settings, run).items() if name in values}


def weights(training: TrainingRef, storage: Storage, path: Path) -> Mapping[str, torch.Tensor]:
    bucket, key = split_uri(training.checkpoint_uri)
    storage.at(bucket).get_file(key, path, training.checkpoint_sha256)
    found: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["generator"]
    return found


@pytest.mark.usefixtures("best_is_step_4")
@pytest.mark.parametrize("background", [False, True])
def test_the_record_names_the_best_checkpoint_and_why(
    background: bool,
    config: RetrainConfig,
    dataset: DatasetRef,
    stack: Settings,
    storage: Storage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(evaluate_checkpoints, "leaves_processors_free", lambda device: background)
    flow_run = str(uuid4())
    training = run_training(config, dataset, stack, storage, flow_run)
    assert training.checkpoint_uri.endswith("step-00000004.pt")
    assert (training.generator_steps, training.trained_steps) == (4, 8)
    assert training.choice is not None
    assert (training.choice.fid, training.choice.last_fid, training.choice.evaluations) == (5, 8, 4)
    latest = read_latest(flow_run, stack, storage)
    assert latest is not None
    assert [checkpoint.step for checkpoint in latest.checkpoints] == [8, 4]
    assert curve(training.mlflow_run_id, stack, "checkpoint/fid") == dict(zip(EVALUATED, (9, 5, 7, 8), strict=True))
    assert curve(training.mlflow_run_id, stack, "checkpoint/recall").keys() == set(EVALUATED)
    tags = tracking_client(stack).get_run(training.mlflow_run_id).data.tags
    assert "The checkpoint of step 4 has a Fréchet distance of 5.00" in tags["wgan.checkpoint"]


@pytest.mark.usefixtures("best_is_step_4")
def test_an_early_end_is_a_finished_training(
    config: RetrainConfig, dataset: DatasetRef, stack: Settings, storage: Storage
) -> None:
    patient = config.model_copy(update={"training": config.training.model_copy(update={"patience": 1})})
    training = run_training(patient, dataset, stack, storage, str(uuid4()))
    assert training.choice is not None
    assert (training.choice.step, training.choice.last_step, training.choice.ended_early) == (4, 6, True)
    assert training.choice.reason.endswith("Training ended early, after 6 steps.")


@pytest.mark.parametrize("unfinished", [False, True])
def test_an_interrupted_training_makes_the_same_choice(
    unfinished: bool,
    whole: TrainingRef,
    config: RetrainConfig,
    dataset: DatasetRef,
    stack: Settings,
    storage: Storage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flow_run, measure = str(uuid4()), TrainingEvaluation.__call__
    seeds: list[tuple[int, ...]] = []

    def counted(self: TrainingEvaluation, generate: GenerateImages) -> dict[str, float]:
        seeds.append(self.protocol.seeds)
        if unfinished and len(seeds) == 2:  # of step 4, until the next checkpoint is published without its result
            wait_for(lambda: 5 in published(flow_run, stack, storage))
        return measure(self, generate)

    monkeypatch.setattr(evaluate_checkpoints, "leaves_processors_free", lambda device: unfinished)
    monkeypatch.setattr(TrainingEvaluation, "__call__", counted)
    with monkeypatch.context() as patched:
        patched.setattr(PipelineObserver, "checkpoint", stopping_at_4(PipelineObserver.checkpoint))
        with pytest.raises(Interrupted):
            run_training(config, dataset, stack, storage, flow_run)
    assert published(flow_run, stack, storage)[0] == 5
    seeds.clear()
    resumed = run_training(config, dataset, stack, storage, flow_run)
    assert seeds == [(SEED,)] * (3 if unfinished else 2)  # of step 4 again, if its result was not published
    assert resumed.choice == whole.choice
    ours, theirs = weights(resumed, storage, tmp_path / "a.pt"), weights(whole, storage, tmp_path / "b.pt")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    runs = (resumed.mlflow_run_id, whole.mlflow_run_id)
    assert curve(runs[0], stack, "checkpoint/fid") == curve(runs[1], stack, "checkpoint/fid")


def test_training_with_evaluations_gives_the_weights_of_training_without(
    whole: TrainingRef,
    config: RetrainConfig,
    dataset: DatasetRef,
    stack: Settings,
    storage: Storage,
    tmp_path: Path,
) -> None:
    without = config.model_copy(update={"training": config.training.model_copy(update={"evaluate_every": 0})})
    plain = run_training(without, dataset, stack, storage, str(uuid4()))
    latest = read_latest(whole.flow_run_id, stack, storage)
    assert latest is not None
    assert latest.checkpoints[0].step == plain.generator_steps == config.training.generator_steps
    newest = whole.model_copy(
        update={
            "checkpoint_uri": storage.uri(latest.checkpoints[0].key),
            "checkpoint_sha256": latest.checkpoints[0].sha256,
        }
    )
    ours, theirs = weights(newest, storage, tmp_path / "a.pt"), weights(plain, storage, tmp_path / "b.pt")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
