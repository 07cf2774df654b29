"""How many workers the nodes of a Ray cluster have room for, and waiting for a node that is gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wgan.errors import WganError

PAUSE_SECONDS = 1.0


@dataclass(frozen=True)
class Need:
    """What each worker occupies."""

    processors: int
    gpus: int

    def described(self) -> str:
        """`2 processors and 1 GPU`."""
        processors = f"{self.processors} processor{'s' if self.processors > 1 else ''}"
        return f"{processors} and {self.gpus} GPU" if self.gpus else processors


def room_for(need: Need, nodes: Iterable[Mapping[str, float]]) -> int:
    """How many workers fit on nodes with these resources; a worker is on one node."""
    return sum(
        min(
            int(resources.get("CPU", 0)) // need.processors,
            int(resources.get("GPU", 0)) // need.gpus if need.gpus else 10**6,
        )
        for resources in nodes
    )


def alive_nodes() -> list[Mapping[str, float]]:
    """The resources of each node of the cluster that is alive."""
    import ray

    nodes: list[dict[str, Any]] = ray.nodes()
    return [node["Resources"] for node in nodes if node["Alive"]]


def wait_for_room(
    workers: int, need: Need, seconds: float, stop: Callable[[], bool], nodes: Callable[[], list[Mapping[str, float]]]
) -> bool:
    """Block until the nodes have room for the workers; returns False if `stop` is true first.

    Raises `WganError` after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while (found := room_for(need, nodes())) < workers:
        if stop():
            return False
        if time.monotonic() > deadline:
            raise WganError(
                f"Ray has room for {found} of {workers} workers with {need.described()} each, and no other node came "
                f"within {seconds:.0f} s (WGAN_RAY_WAIT_SECONDS): add a node, or set WGAN_RAY_WORKER_CPUS lower."
            )
        time.sleep(PAUSE_SECONDS)
    return True
