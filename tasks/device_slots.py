"""One slot per device: only the run that holds a GPU's slot trains on that GPU. Evaluations prefer a free one."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import httpx
from prefect.client.orchestration import get_client
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.concurrency.sync import concurrency

from tasks.run_time import waiting
from wgan import progress
from wgan.errors import UsageError
from wgan.prefect_server.client import PrefectServer
from wgan.prefect_server.gpu_slots import LIMIT, ensure_gpu_slots
from wgan.settings import Settings
from wgan.training.device import Gpu, offered_gpus

LEASE_SECONDS = 60
"""How long a slot stays taken after its owner died; Prefect's minimum."""
PAUSE_SECONDS = 2.0
"""Seconds between checks for a free GPU."""


@contextmanager
def training_slot(settings: Settings, workers: int = 1) -> Iterator[str]:
    """Occupy a device that matches the settings for each worker; yields the device to train on, such as `cuda:1`.

    Each GPU has its own slot, and the first free ones visible to this process are taken; for several, yields `cuda`,
    and this process sees no others inside the block. Without a GPU, and for a Ray cluster, which assigns its GPUs
    itself, one of the `gpu` slots is taken, which limit concurrent trainings. Raises `UsageError` if there is no such
    device, or if there are fewer GPUs than workers.
    """
    on_cluster = workers > 1 and settings.ray_address
    gpus = () if on_cluster else offered_gpus(settings.device)
    if not gpus:
        with gpu_slot():
            yield settings.device
        return
    if workers > len(gpus):
        raise UsageError(
            f"training.workers={workers} needs {workers} GPUs, and WGAN_DEVICE={settings.device} offers {len(gpus)} "
            "here: set WGAN_RAY_ADDRESS to a cluster, or a smaller training.workers."
        )
    with free_gpus(gpus, settings, workers) as taken:
        names = ", ".join(f"{gpu.device} ({gpu.name})" for gpu in taken)
        progress.announce("training", f"has the slot of {names} of {socket.gethostname()}")
        if workers == 1:
            yield taken[0].device
            return
        with only_visible(taken):
            yield "cuda"


@contextmanager
def gpu_slot() -> Iterator[None]:
    """Occupy one of the `gpu` slots; blocks until one is free, and reports that it waits."""
    with get_client(sync_client=True) as client:
        limit = client.read_global_concurrency_limit_by_name(LIMIT)
    if limit.active_slots >= limit.limit:
        progress.announce(
            "training", "waits for the GPU slot; another training holds it, or died within the last minute"
        )
    with ExitStack() as held:
        with waiting():
            # A lost lease must not kill a long training: the slot is advisory, not a lock.
            held.enter_context(
                concurrency(LIMIT, lease_duration=LEASE_SECONDS, strict=True, raise_on_lease_renewal_failure=False)
            )
        yield


@contextmanager
def evaluation_device(settings: Settings) -> Iterator[str]:
    """Choose the device for an evaluation among those that the settings mean; yields it, such as `cuda:1`.

    Raises `UsageError` if there is no such device.
    """
    gpus = offered_gpus(settings.device)
    if not gpus:
        yield settings.device
        return
    with gpu_for_evaluation(gpus, settings) as gpu:
        yield gpu.device


@contextmanager
def gpu_for_evaluation(gpus: Sequence[Gpu], settings: Settings) -> Iterator[Gpu]:
    """Occupy the first GPU without a training; if all are taken, share the first: it takes minutes, trainings days."""
    _ensure_slots(gpus, settings)
    with ExitStack() as stack:
        yield next((gpu for gpu in gpus if _occupied(stack, gpu)), gpus[0])


@contextmanager
def free_gpus(gpus: Sequence[Gpu], settings: Settings, count: int = 1) -> Iterator[Sequence[Gpu]]:
    """Occupy the first GPUs without a training; blocks until there are `count` at once, and reports that it waits."""
    _ensure_slots(gpus, settings)
    with ExitStack() as stack:
        with waiting():
            found = _first_free(stack, gpus, count)
        yield found


def _ensure_slots(gpus: Sequence[Gpu], settings: Settings) -> None:
    with PrefectServer(settings) as server:
        for gpu in gpus:
            ensure_gpu_slots(server, 1, gpu.slot)


def _first_free(stack: ExitStack, gpus: Sequence[Gpu], count: int) -> Sequence[Gpu]:
    waiting_announced = False
    while True:
        with ExitStack() as attempt:
            found: list[Gpu] = []
            for gpu in gpus:
                if len(found) < count and _occupied(attempt, gpu):
                    found.append(gpu)
            if len(found) == count:
                stack.push(attempt.pop_all())
                return found
        # Too few: all are given back, so that two runs that wait for several never hold what the other needs.
        if not waiting_announced:
            names = ", ".join(gpu.device for gpu in gpus)
            progress.announce(
                "training", f"waits for a GPU ({names}); other runs hold them, or died within the last minute"
            )
            waiting_announced = True
        time.sleep(PAUSE_SECONDS)


@contextmanager
def only_visible(gpus: Sequence[Gpu]) -> Iterator[None]:
    """Name the GPUs in CUDA_VISIBLE_DEVICES inside the block, for the processes that are started there."""
    before = os.environ.get("CUDA_VISIBLE_DEVICES")
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(f"GPU-{gpu.uuid.removeprefix('GPU-')}" for gpu in gpus)
    try:
        yield
    finally:
        if before is None:
            del os.environ["CUDA_VISIBLE_DEVICES"]
        else:
            os.environ["CUDA_VISIBLE_DEVICES"] = before


def _occupied(stack: ExitStack, gpu: Gpu) -> bool:
    """Take the GPU's slot unless it is taken; released when the stack closes."""
    # A lost lease must not kill a long training.
    slot = concurrency(
        gpu.slot, max_retries=0, lease_duration=LEASE_SECONDS, strict=True, raise_on_lease_renewal_failure=False
    )
    try:
        stack.enter_context(slot)
    except ConcurrencySlotAcquisitionError as error:
        cause = error.__cause__
        if isinstance(cause, httpx.HTTPStatusError) and cause.response.status_code == httpx.codes.LOCKED:
            return False
        raise
    return True
