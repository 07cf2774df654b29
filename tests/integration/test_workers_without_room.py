"""Workers that find no room on a real cluster count as lost: whoever started them decides whether to wait again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.ray_nodes import ray_nodes
from wgan.scale.capacity import Need
from wgan.scale.cluster import connected_to_ray
from wgan.scale.workers import Group, WorkersLost, run_on_workers
from wgan.settings import Settings

pytest.importorskip("ray", reason="the extra `scale` is not installed")
pytestmark = pytest.mark.slow(minutes=1)


def test_two_workers_on_a_cluster_with_room_for_one_are_given_up_after_the_stated_time(tmp_path: Path) -> None:
    with ray_nodes(1) as cluster:
        settings = Settings(_env_file=None, ray_address=cluster.address, ray_wait_seconds=5)
        group = Group(2, Need(1, 0), collective_seconds=30, folder=tmp_path / "ray")
        with connected_to_ray(settings, 0, 0) as alive, pytest.raises(WorkersLost, match="timed out"):
            run_on_workers(group, print, asked_to_stop=lambda: False, alive=alive)
