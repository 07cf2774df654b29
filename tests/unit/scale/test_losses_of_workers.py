"""What a training on workers does when it loses them: starts again, and gives up only when it gets no further."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
import torch

from wgan import progress
from wgan.config_reading import parse_config
from wgan.errors import Interrupted, UsageError, WganError
from wgan.processors import Processors
from wgan.scale.capacity import Need
from wgan.scale.workers import WorkersLost
from wgan.settings import Settings
from wgan.steps import train_on_workers as module
from wgan.steps.train_on_workers import need_of_each, train_on_workers
from wgan.steps.training_session import Session, Trained

DONE = cast(Trained, object())


def session(**settings: Any) -> Session:
    config = parse_config({"training": {"workers": 2}})
    return Session(
        config, cast(Any, None), Settings(_env_file=None, device="cpu", **settings), "a-flow-run", "a-run", "none"
    )


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[int | Trained]:
    """What the attempts come to: the step at which a worker is lost, or the end. Used up in order."""
    planned: list[int | Trained] = []

    @contextmanager
    def connected(*_: object) -> Iterator[Any]:
        yield lambda: True

    def run(*_: object, **__: object) -> Trained:
        outcome = planned.pop(0)
        if isinstance(outcome, int):
            progress.report("training", outcome, 100)
            raise WorkersLost("the actor died.")
        return outcome

    monkeypatch.setattr(module, "connected_to_ray", connected)
    monkeypatch.setattr(module, "run_on_workers", run)
    monkeypatch.setattr(module, "alive_nodes", lambda: [{"CPU": 64.0}])
    return planned


def test_after_a_loss_all_start_again(attempts: list[int | Trained]) -> None:
    attempts += [10, DONE]
    said: list[str] = []
    with progress.listening(lambda position: said.append(position.note)):
        assert train_on_workers(session()) is DONE
    assert "A worker was lost, all start again from the newest checkpoint: the actor died." in said


def test_losses_with_progress_between_them_do_not_add_up(attempts: list[int | Trained]) -> None:
    attempts += [*range(0, 100, 10), DONE]
    assert train_on_workers(session()) is DONE


def test_the_fourth_loss_without_a_step_further_ends_the_training_with_one_sentence(
    attempts: list[int | Trained],
) -> None:
    attempts += [10, 20, 20, 15, 20, DONE]
    with pytest.raises(WganError) as caught:
        train_on_workers(session())
    assert str(caught.value) == (
        "workers were lost 4 times in a row without a step beyond generator step 20 (the actor died): "
        "`wgan retrain --resume a-flow-run` tries again."
    )
    assert attempts == [DONE]


def test_a_loss_after_a_request_to_stop_is_an_interruption(
    attempts: list[int | Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def asked() -> Iterator[Any]:
        yield lambda: True

    monkeypatch.setattr(module, "deferred_signals", asked)
    attempts += [10, DONE]
    with pytest.raises(Interrupted, match="`wgan retrain --resume a-flow-run` resumes from its newest checkpoint"):
        train_on_workers(session())


def test_workers_share_the_processors_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(_env_file=None, device="cpu")
    monkeypatch.setattr(module, "usable_processors", lambda: Processors(7, "the machine"))
    assert need_of_each(2, settings) == Need(3, 0)
    assert need_of_each(16, settings) == Need(1, 0)
    assert need_of_each(2, settings.model_copy(update={"ray_worker_cpus": 5})) == Need(5, 0)


def test_on_a_cluster_a_worker_has_one_processor_and_a_gpu_if_the_device_is_cuda() -> None:
    settings = Settings(_env_file=None, ray_address="auto")
    assert need_of_each(2, settings) == Need(1, 0)
    assert need_of_each(2, settings.model_copy(update={"device": "cuda"})) == Need(1, 1)


def test_apples_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "resolve_device", lambda name: torch.device("mps"))
    with pytest.raises(UsageError, match=r"training\.workers above 1 needs CUDA or the CPU: set WGAN_DEVICE=cpu"):
        need_of_each(2, Settings(_env_file=None, device="mps"))
