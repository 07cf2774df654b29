"""Workers that train together are killed, stopped and hung: the run ends with the bits of the undisturbed one."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.drills.ray_training_process import EVERY, STEPS
from tests.drills.training_on_ray import (
    assert_equal,
    assert_gone,
    checkpoint_names,
    metrics_of,
    new_flow_run,
    start,
    state_of,
)
from wgan.settings import Settings

pytest.importorskip("ray", reason="the extra `scale` is not installed")
pytestmark = [pytest.mark.slow(minutes=8), pytest.mark.long, pytest.mark.timeout(1800)]

Outcome = tuple[dict[str, torch.Tensor], dict[str, Any]]


def outcome(settings: Settings, flow_run_id: str, line: dict[str, Any], folder: Path) -> Outcome:
    assert line["kind"] == "record", line
    return state_of(settings, flow_run_id, folder), line["record"]


@pytest.fixture(scope="module")
def undisturbed(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A training of two workers that nothing disturbs."""
    flow_run_id = new_flow_run()
    training = start(stack, flow_run_id)
    training.wait_for_step(EVERY)
    processes = training.processes()
    code, line = training.ended()
    assert code == 0, line
    assert_gone(processes)
    return outcome(stack, flow_run_id, line, tmp_path_factory.mktemp("undisturbed"))


def assert_same(settings: Settings, found: Outcome, undisturbed: Outcome) -> None:
    """The weights to the bit, every metric step once with its numbers, and no checkpoint too many."""
    assert_equal(found[0], undisturbed[0])
    numbers = metrics_of(settings, found[1])
    assert sorted(numbers) == list(range(1, STEPS + 1))
    assert numbers == metrics_of(settings, undisturbed[1])
    assert checkpoint_names(settings, found[1]) == [f"step-{step:08d}.pt" for step in (STEPS - EVERY, STEPS)]


def test_a_worker_is_killed_and_another_one_hangs(stack: Settings, undisturbed: Outcome, tmp_path: Path) -> None:
    flow_run_id = new_flow_run()
    training = start(stack, flow_run_id, WGAN_RAY_COLLECTIVE_SECONDS="30")
    training.wait_for_step(2 * EVERY + 3)
    training.workers()[0].kill()
    training.wait_for_notes("A worker was lost", 1)
    training.wait_for_step(6 * EVERY)
    processes = training.processes()
    training.workers()[1].send_signal(signal.SIGSTOP)
    training.wait_for_notes("A worker was lost", 2)
    code, line = training.ended()
    assert code == 0, line
    assert_gone(processes)  # the one that hung, too
    assert_same(stack, outcome(stack, flow_run_id, line, tmp_path), undisturbed)


def test_a_stopped_training_resumes_and_one_whose_starting_process_is_killed_does_too(
    stack: Settings, undisturbed: Outcome, tmp_path: Path
) -> None:
    flow_run_id = new_flow_run()
    training = start(stack, flow_run_id)
    training.wait_for_step(2 * EVERY + 3)
    processes = training.processes()
    training.process.send_signal(signal.SIGTERM)
    code, line = training.ended()
    assert (code, line["name"]) == (130, "Interrupted")
    stopped_at = int(line["sentence"].split("generator step ")[1].split()[0])
    assert stopped_at >= 2 * EVERY + 3
    assert_gone(processes)

    training = start(stack, flow_run_id)
    training.wait_for_step(7 * EVERY)
    assert min(training.positions()) == stopped_at
    processes = training.processes()
    training.process.kill()
    training.process.wait()
    assert_gone(processes)

    training = start(stack, flow_run_id)
    code, line = training.ended()
    assert code == 0, line
    assert min(training.positions()) >= 5 * EVERY  # the newest checkpoint whose upload was complete
    assert_same(stack, outcome(stack, flow_run_id, line, tmp_path), undisturbed)


def test_one_worker_through_ray_equals_the_training_without_ray_to_the_bit(stack: Settings, tmp_path: Path) -> None:
    found = []
    for more in ((), ("ray",)):
        flow_run_id = new_flow_run()
        code, line = start(stack, flow_run_id, 1, *more, WGAN_RAY_WORKER_CPUS="1").ended()
        assert code == 0, line
        found.append(outcome(stack, flow_run_id, line, tmp_path))
    assert_equal(found[1][0], found[0][0])
    assert metrics_of(stack, found[1][1]) == metrics_of(stack, found[0][1])
