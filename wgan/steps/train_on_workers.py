"""Training on several workers: starts them through Ray, and starts them again when one is lost."""

from __future__ import annotations

import logging
from collections.abc import Callable

from wgan import progress
from wgan.errors import Interrupted, UsageError, WganError
from wgan.processors import usable_processors
from wgan.progress import Progress
from wgan.scale.capacity import Need, alive_nodes, room_for, wait_for_room
from wgan.scale.cluster import connected_to_ray
from wgan.scale.workers import Group, WorkersLost, run_on_workers
from wgan.settings import Settings
from wgan.steps.deferred_signals import deferred_signals
from wgan.steps.training_session import Session, Trained
from wgan.steps.training_worker import work
from wgan.training.device import resolve_device

MOST_LOSSES = 3
"""Workers may be lost so many times in a row without a step further than before."""
STAGE = "training"

logger = logging.getLogger(__name__)


def train_on_workers(session: Session) -> Trained:
    """Train with `training.workers` processes, from this flow run's newest checkpoint; returns how it ended.

    If a worker dies, hangs, or loses its node, all start again from the newest checkpoint in S3. SIGTERM and Ctrl-C
    stop all of them at the same step. Raises `WganError` if there is no room for the workers, or if workers are lost
    repeatedly without progress.
    """
    settings = session.settings
    need = need_of_each(session.config.training.workers, settings)
    session = session.moved(cache=str(settings.cache.absolute()), device=settings.device)
    with deferred_signals() as asked_to_stop:
        return _until_done(session, need, asked_to_stop)


def need_of_each(workers: int, settings: Settings) -> Need:
    """What a worker occupies: processors, and a GPU on CUDA.

    The processors are WGAN_RAY_WORKER_CPUS, or else an equal share of this machine's, or 1 on a cluster. Raises
    `UsageError` if this machine's device cannot be shared.
    """
    if settings.ray_address:
        return Need(settings.ray_worker_cpus or 1, int(settings.device.startswith("cuda")))
    device = resolve_device(settings.device)
    if device.type == "mps":
        raise UsageError("training.workers above 1 needs CUDA or the CPU: set WGAN_DEVICE=cpu.")
    return Need(settings.ray_worker_cpus or max(1, usable_processors().count // workers), int(device.type == "cuda"))


def _on_gpus_of_the_cluster(need: Need, workers: int, settings: Settings) -> Need:
    """With a cluster and WGAN_DEVICE=auto: GPUs if it has enough, else processors."""
    if not settings.ray_address or settings.device != "auto":
        return need
    on_gpus = Need(need.processors, 1)
    return on_gpus if room_for(on_gpus, alive_nodes()) >= workers else need


def _until_done(session: Session, need: Need, asked_to_stop: Callable[[], bool]) -> Trained:
    furthest, losses = -1, 0
    while True:
        reached = _Reached()
        try:
            with progress.listening(reached.hear):
                return _attempt(session, need, asked_to_stop)
        except WorkersLost as lost:
            if asked_to_stop():
                raise _stopped(session) from None
            losses = 1 if reached.step > furthest else losses + 1
            furthest = max(furthest, reached.step)
            if losses > MOST_LOSSES:
                raise WganError(
                    f"workers were lost {losses} times in a row without a step beyond generator step {furthest} "
                    f"({str(lost).rstrip('.')}): `wgan retrain --resume {session.flow_run_id}` tries again."
                ) from None
            sentence = f"A worker was lost, all start again from the newest checkpoint: {lost}"
            logger.warning(sentence)
            progress.announce(STAGE, sentence)


def _attempt(session: Session, need: Need, asked_to_stop: Callable[[], bool]) -> Trained:
    """Start Ray, or join its cluster, and train until the end or until a worker is lost."""
    workers, settings = session.config.training.workers, session.settings
    with connected_to_ray(settings, workers * need.processors, workers * need.gpus) as alive:
        need = _on_gpus_of_the_cluster(need, workers, settings)
        progress.announce(STAGE, f"starts {workers} workers on Ray with {need.described()} each")
        if not wait_for_room(workers, need, settings.ray_wait_seconds, asked_to_stop, alive_nodes):
            raise _stopped(session)
        group = Group(workers, need, settings.ray_collective_seconds, session.folder / "ray")
        trained = run_on_workers(group, work, session, asked_to_stop=asked_to_stop, alive=alive)
    assert trained is not None  # rank 0 has it
    return trained


def _stopped(session: Session) -> Interrupted:
    return Interrupted(
        "training stopped between two starts of its workers: "
        f"`wgan retrain --resume {session.flow_run_id}` resumes from its newest checkpoint."
    )


class _Reached:
    """The furthest generator step that rank 0 has reported."""

    def __init__(self) -> None:
        self.step = -1

    def hear(self, position: Progress) -> None:
        if position.stage == STAGE and position.total:
            self.step = max(self.step, position.done)
