"""A training on a cluster of real nodes on one machine, one of which goes away: for a while, or for too long."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.drills.ray_training_process import EVERY, STEPS
from tests.drills.training_on_ray import Training, assert_equal, metrics_of, new_flow_run, start, state_of
from tests.integration.ray_nodes import LOOPBACK, ray_nodes
from wgan.settings import Settings

pytest.importorskip("ray", reason="the extra `scale` is not installed")
pytestmark = [pytest.mark.slow(minutes=8), pytest.mark.long, pytest.mark.timeout(1800)]

LATE = 2 * EVERY + 3
"""Generator steps after which a node goes away: two checkpoints are there."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head, and two nodes with room for one worker each; a test that removes one adds another."""
    with ray_nodes(1, 1) as nodes:
        yield nodes


def test_a_training_whose_node_returns_in_time_goes_on_and_ends_with_the_bits_of_the_undisturbed_one(
    stack: Settings, cluster: Any, tmp_path: Path
) -> None:
    undisturbed, disturbed = new_flow_run(), new_flow_run()
    expected = record_of(start(stack, undisturbed, WGAN_RAY_ADDRESS=cluster.address))

    training = start(stack, disturbed, WGAN_RAY_ADDRESS=cluster.address, WGAN_RAY_WAIT_SECONDS="600")
    training.wait_for_step(LATE)
    remove_a_node(cluster)
    training.wait_for_notes("A worker was lost", 1)
    cluster.add_node(num_cpus=1, **LOOPBACK)
    found = record_of(training)
    assert_equal(state_of(stack, disturbed, tmp_path), state_of(stack, undisturbed, tmp_path))
    assert metrics_of(stack, found) == metrics_of(stack, expected)


def test_a_training_whose_node_stays_away_ends_with_a_sentence_and_resumes(stack: Settings, cluster: Any) -> None:
    flow_run_id = new_flow_run()
    training = start(stack, flow_run_id, WGAN_RAY_ADDRESS=cluster.address, WGAN_RAY_WAIT_SECONDS="20")
    training.wait_for_step(LATE)
    remove_a_node(cluster)
    code, line = training.ended()
    cluster.add_node(num_cpus=1, **LOOPBACK)
    assert (code, line["name"]) == (1, "WganError")
    assert "Ray has room for 1 of 2 workers" in line["sentence"]
    assert "within 20 s (WGAN_RAY_WAIT_SECONDS)" in line["sentence"]

    training = start(stack, flow_run_id, WGAN_RAY_ADDRESS=cluster.address)
    record = record_of(training)
    assert min(training.positions()) >= 2 * EVERY
    assert sorted(metrics_of(stack, record)) == list(range(1, STEPS + 1))


def remove_a_node(cluster: Any) -> None:
    """As if its machine failed."""
    cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)


def record_of(training: Training) -> dict[str, Any]:
    """The record of a training that ends well."""
    code, line = training.ended()
    assert code == 0, line
    record: dict[str, Any] = line["record"]
    return record
