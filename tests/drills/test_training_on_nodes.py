"""A training on a cluster of real nodes on one machine, one of which goes away for longer than the run waits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.drills.ray_training_process import EVERY, STEPS
from tests.drills.training_on_ray import metrics_of, new_flow_run, start
from tests.integration.ray_nodes import LOOPBACK, ray_nodes
from wgan.settings import Settings

pytest.importorskip("ray", reason="the extra `scale` is not installed")
pytestmark = [pytest.mark.slow(minutes=8), pytest.mark.long, pytest.mark.timeout(1800)]


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A head, and two nodes with room for one worker each."""
    with ray_nodes(1, 1) as nodes:
        yield nodes


def test_a_training_whose_node_stays_away_ends_with_a_sentence_and_resumes(
    stack: Settings, cluster: Any, tmp_path: Path
) -> None:
    flow_run_id = new_flow_run()
    training = start(stack, flow_run_id, WGAN_RAY_ADDRESS=cluster.address, WGAN_RAY_WAIT_SECONDS="20")
    training.wait_for_step(2 * EVERY + 3)
    cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
    code, line = training.ended()
    assert (code, line["name"]) == (1, "WganError")
    assert "Ray has room for 1 of 2 workers" in line["sentence"]
    assert "within 20 s (WGAN_RAY_WAIT_SECONDS)" in line["sentence"]

    cluster.add_node(num_cpus=1, **LOOPBACK)
    training = start(stack, flow_run_id, WGAN_RAY_ADDRESS=cluster.address)
    code, line = training.ended()
    assert code == 0, line
    assert min(training.positions()) >= 2 * EVERY
    assert sorted(metrics_of(stack, line["record"])) == list(range(1, STEPS + 1))
