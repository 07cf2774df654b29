"""Which GPU a training gets, with simulated GPUs and a real Prefect server that holds their slots."""

from __future__ import annotations

import threading
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client

from tasks.device_slots import evaluation_device, free_gpus, gpu_for_evaluation, training_slot
from tests.integration.stack_commands import run
from wgan.commands.worker import offer_gpus
from wgan.errors import WganError
from wgan.prefect_server.client import PrefectServer
from wgan.prefect_server.gpu_slots import LIMIT, ensure_gpu_slots
from wgan.progress import Progress, listening
from wgan.settings import Settings
from wgan.training.device import Gpu

SECONDS = 60.0


@pytest.fixture
def gpus() -> tuple[Gpu, ...]:
    """Two GPUs of one host."""
    return tuple(Gpu(f"cuda:{index}", str(uuid4()), "pretended") for index in range(2))


def taken(slot: str) -> int:
    with get_client(sync_client=True) as client:
        return client.read_global_concurrency_limit_by_name(slot).active_slots


def test_two_trainings_on_one_host_get_a_gpu_each(stack: Settings, gpus: tuple[Gpu, ...]) -> None:
    with free_gpus(gpus, stack) as (one,), free_gpus(gpus, stack) as (other,):
        assert {one, other} == set(gpus)
        assert [taken(gpu.slot) for gpu in gpus] == [1, 1]
    assert [taken(gpu.slot) for gpu in gpus] == [0, 0]


def test_a_third_waits_reports_it_and_gets_the_gpu_that_becomes_free(stack: Settings, gpus: tuple[Gpu, ...]) -> None:
    said: list[Progress] = []
    waits, ends, got = threading.Event(), threading.Event(), threading.Event()
    found: list[Gpu] = []

    def listener(position: Progress) -> None:
        said.append(position)
        waits.set()

    def third() -> None:
        with listening(listener), free_gpus(gpus, stack) as (gpu,):
            found.append(gpu)
            got.set()
            ends.wait(SECONDS)

    with free_gpus(gpus, stack):
        with free_gpus(gpus, stack) as (second,):
            waiting = threading.Thread(target=third)
            waiting.start()
            assert waits.wait(SECONDS)
            assert not got.is_set()
        assert got.wait(SECONDS)
        assert found == [second]
        ends.set()
        waiting.join(SECONDS)
    assert "waits for a GPU (cuda:0, cuda:1)" in said[0].note


def test_an_evaluation_takes_a_gpu_on_which_nothing_is_trained(stack: Settings, gpus: tuple[Gpu, ...]) -> None:
    with free_gpus(gpus, stack) as (trains,), gpu_for_evaluation(gpus, stack) as evaluates:
        assert {trains, evaluates} == set(gpus)
        assert [taken(gpu.slot) for gpu in gpus] == [1, 1]
    assert [taken(gpu.slot) for gpu in gpus] == [0, 0]


def test_an_evaluation_does_not_wait_for_trainings(stack: Settings, gpus: tuple[Gpu, ...]) -> None:
    with free_gpus(gpus, stack), free_gpus(gpus, stack), gpu_for_evaluation(gpus, stack) as shared:
        assert shared == gpus[0]


def test_an_evaluation_without_a_gpu_takes_no_slot(stack: Settings) -> None:
    with PrefectServer(stack) as server:
        ensure_gpu_slots(server, 1)
    with evaluation_device(stack.model_copy(update={"device": "cpu"})) as device:
        assert device == "cpu"
        assert taken(LIMIT) == 0


def test_a_training_of_several_workers_gets_all_its_gpus_at_once_or_none(
    stack: Settings, gpus: tuple[Gpu, ...]
) -> None:
    waits, got = threading.Event(), threading.Event()
    found: list[Gpu] = []

    def both() -> None:
        with listening(lambda _: waits.set()), free_gpus(gpus, stack, 2) as several:
            found.extend(several)
            got.set()

    with free_gpus(gpus, stack) as (first,):
        waiting = threading.Thread(target=both)
        waiting.start()
        assert waits.wait(SECONDS)
        other = next(gpu for gpu in gpus if gpu != first)
        with free_gpus([other], stack):  # the one that is free is not held back
            assert not got.is_set()
    assert got.wait(SECONDS)
    waiting.join(SECONDS)
    assert found == list(gpus)


def test_a_free_gpu_of_another_host_is_not_used(stack: Settings, gpus: tuple[Gpu, ...]) -> None:
    here, there = gpus
    with free_gpus([here], stack), free_gpus([there], stack) as (found,):
        assert found == there
        assert taken(here.slot) == 1


def test_two_containers_that_see_one_gpu_share_its_slot(stack: Settings, gpus: tuple[Gpu, ...]) -> None:
    as_second = Gpu("cuda:0", gpus[1].uuid, "pretended")  # another container counts from its own
    with free_gpus([gpus[1]], stack), free_gpus([as_second, gpus[0]], stack) as (found,):
        assert found == gpus[0]


def test_without_a_gpu_a_training_takes_one_of_the_gpu_slots(stack: Settings) -> None:
    with PrefectServer(stack) as server:
        ensure_gpu_slots(server, 1)
    with training_slot(stack.model_copy(update={"device": "cpu"})) as device:
        assert device == "cpu"
        assert taken(LIMIT) == 1
    assert taken(LIMIT) == 0


@pytest.mark.parametrize(
    ("arguments", "variables", "sentence"),
    [
        (("--gpus", "first"), {}, "--gpus 'first' is not allowed: give numbers or UUIDs, as in 0,1, or none."),
        (("--gpus", "none"), {"WGAN_DEVICE": "cuda"}, "WGAN_DEVICE=cuda is not possible here"),
        (("--gpus", "99"), {}, "--gpus 99 is not possible here: torch sees no such GPU."),
    ],
)
def test_a_worker_that_cannot_offer_the_requested_gpus_does_not_start(
    stack: Settings, arguments: tuple[str, ...], variables: dict[str, str], sentence: str
) -> None:
    assert sentence in run(stack, "worker", *arguments, code=2, **variables).stderr


def test_a_worker_whose_torch_fails_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("wgan.commands.worker.NVIDIA_DRIVER", tmp_path)
    monkeypatch.setattr("wgan.commands.worker.SEEN", "raise SystemExit('the driver is too old')")
    with pytest.raises(WganError, match=r"torch cannot say which GPUs there are \(the driver is too old\)"):
        offer_gpus(None, "auto")
    assert offer_gpus("none", "auto") == ""
