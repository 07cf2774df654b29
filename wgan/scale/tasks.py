"""Calls functions on the workers of a Ray cluster, a bounded number at a time, and takes their answers in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from wgan.errors import WganError
from wgan.scale.capacity import Need, alive_nodes, wait_for_room

RETRIES = 3
"""How often Ray repeats a task whose worker or node was lost."""
PAUSE_SECONDS = 2.0
ONE = Need(processors=1, gpus=0)


class TaskLost(WganError):
    """A task's workers were lost repeatedly."""


@dataclass(frozen=True)
class Task:
    """A call that was started."""

    about: str
    """What it works on, for messages."""
    answer: Any
    """Ray's reference to what it returns, or to the first of two."""
    kept: Any = None
    """Ray's reference to the second of two, which stays on the cluster until another task takes it."""


def start(about: str, function: Callable[..., Any], *arguments: Any, keeps: bool = False) -> Task:
    """Call the function, one of a module that every node has, on some worker, which gives it one processor.

    With `keeps` it returns a pair, and only the first comes back. Arguments may be what other tasks keep. `about` says
    what it works on.
    """
    import ray

    remote: Any = ray.remote(function)
    options = remote.options(num_cpus=1, max_retries=RETRIES, num_returns=2 if keeps else 1)
    references = options.remote(*arguments)
    return Task(about, *references) if keeps else Task(about, references)


def answers(tasks: Iterable[Task], ahead: int, wait_seconds: float) -> Iterator[tuple[Any, Any]]:
    """The answer of each task and what it keeps, in order; the next is started only while fewer than `ahead` run.

    Raises what the function raises, `TaskLost`, or `WganError` if the cluster has no processor for `wait_seconds`.
    """
    running: deque[Task] = deque()
    for task in tasks:
        running.append(task)
        if len(running) >= ahead:
            yield _answered(running.popleft(), wait_seconds)
    while running:
        yield _answered(running.popleft(), wait_seconds)


def processors_of_the_cluster(wait_seconds: float) -> int:
    """How many processors its nodes have, once there is one. Raises `WganError` after `wait_seconds`."""
    _wait_for_a_processor(wait_seconds)
    return sum(int(resources.get("CPU", 0)) for resources in alive_nodes())


def _answered(task: Task, wait_seconds: float) -> tuple[Any, Any]:
    import ray
    from ray.exceptions import RayError, RayTaskError

    try:
        while not ray.wait([task.answer], timeout=PAUSE_SECONDS)[0]:
            _wait_for_a_processor(wait_seconds)
        return ray.get(task.answer), task.kept
    except RayTaskError as error:
        raise error.cause from None
    except RayError as error:
        reason = " ".join(str(error).split())[:200]
        raise TaskLost(f"Ray lost the workers of {task.about} {RETRIES + 1} times ({reason}).") from None


def _wait_for_a_processor(wait_seconds: float) -> None:
    wait_for_room(1, ONE, wait_seconds, lambda: False, alive_nodes)
