"""Several nodes of Ray on this machine, which listen on loopback only (`tests/conftest.py`)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import psutil

from wgan.scale.cluster import TRAIN

QUIET = {
    "RAY_memory_monitor_refresh_ms": "0",  # other tests use the machine's memory, too
    "RAY_worker_niceness": "0",
}
LOOPBACK = {"node_ip_address": "127.0.0.1", "include_dashboard": False}
"""Options of every node."""


@contextmanager
def ray_nodes(*processors: int) -> Iterator[Any]:
    """A cluster for the duration of the block: a head without processors, and a node for each number of them."""
    with patch.dict(os.environ, {**TRAIN, **QUIET}):
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **LOOPBACK})
        try:
            for count in processors:
                cluster.add_node(num_cpus=count, **LOOPBACK)
            yield cluster
        finally:
            cluster.shutdown()


def workers_of(cluster: Any) -> list[psutil.Process]:
    """The processes of the nodes that run tasks, or wait for some."""
    raylets = [
        psutil.Process(info.process.pid) for node in cluster.worker_nodes for info in node.all_processes["raylet"]
    ]
    running = [process for raylet in raylets for process in raylet.children(recursive=True)]
    return [process for process in running if "Agent" not in " ".join(process.cmdline())]
