"""Connects to Ray: a cluster at an address, or a Ray of this process's own that ends with it."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psutil

from wgan.errors import UsageError, WganError
from wgan.scratch import scratch_folder
from wgan.settings import Settings

OBJECT_STORE_BYTES = 2**27
"""Memory of the own Ray's object store, which carries only small records."""
VITAL = ("gcs_server", "raylet")
"""The processes of Ray that nothing works without."""
EXIT_SECONDS = 10.0
"""How long the own Ray's processes may take to end before they are killed."""
TRAIN = {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""Environment of Ray Train in every case: no statistics, no other folder for the workers."""
OWN = {
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),  # one a process: Ray keeps the first one
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # despite its name, everywhere: listen on loopback only
    "RAY_memory_monitor_refresh_ms": "0",  # it kills workers when other processes use the machine's memory
    "RAY_worker_niceness": "0",  # by default, workers yield to everything else on the machine
}
"""Environment of the own Ray."""


@contextmanager
def connected_to_ray(settings: Settings, processors: int, gpus: int) -> Iterator[Callable[[], bool]]:
    """Be connected to Ray inside the block; yields a function that says whether Ray's processes here are alive.

    Without an address, Ray starts on this machine with these resources, listens on loopback only, and is gone after the
    block. Signal handlers stay as they are. Raises `UsageError` if Ray is not installed, `WganError` if it does not
    start or no cluster answers.
    """
    address = settings.ray_address
    waits = {
        "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": str(settings.ray_wait_seconds),
        "RAY_TRAIN_WORKER_HEALTH_CHECK_TIMEOUT_S": str(settings.ray_collective_seconds),
    }
    with _environment({**TRAIN, **waits, **({} if address else OWN)}):
        if address:
            _initialise(f"no Ray cluster answers at WGAN_RAY_ADDRESS={address}", address=address)
            try:
                yield lambda: True
            finally:
                _shutdown()
            return
        with scratch_folder("ray") as folder, _ended_afterwards() as servers:
            _initialise(
                "Ray does not start on this machine",
                address="local",
                num_cpus=processors,
                num_gpus=gpus,
                object_store_memory=OBJECT_STORE_BYTES,
                include_dashboard=False,
                _temp_dir=str(folder),
            )
            vital = [process for process in servers() if process.name() in VITAL]
            yield lambda: all(map(_runs, vital))


@contextmanager
def _ended_afterwards() -> Iterator[Callable[[], list[psutil.Process]]]:
    """End Ray after the block, with every process that was started inside; yields a function that lists Ray's own."""
    before = set(psutil.Process().children())

    def started() -> list[psutil.Process]:
        return [process for process in psutil.Process().children() if process not in before]

    try:
        yield started
    finally:
        everything = _descendants(started())
        _shutdown()
        _end(everything)


def _initialise(failure: str, **options: Any) -> None:
    try:
        import ray
    except ModuleNotFoundError:
        raise UsageError(
            "WGAN_RAY_ADDRESS and training.workers above 1 need ray, which is not installed here: "
            "pip install 'wgan-pipeline[scale]'."
        ) from None
    _keep_standard_output_clean()
    with _handlers_kept():
        try:
            ray.init(
                **options,
                configure_logging=False,
                log_to_driver=False,
                logging_level=logging.WARNING,
                namespace="wgan",
            )
        except (OSError, RuntimeError, ValueError) as error:  # ConnectionError is an OSError
            reason = " ".join(str(error).split())
            raise WganError(f"{failure}: {reason or type(error).__name__}.") from None


def _keep_standard_output_clean() -> None:
    """Without this, Ray prints what its servers report, such as a killed worker, between the answers of a command."""
    from ray._private import worker

    worker.print_to_stdstream = lambda *_, **__: None


def _shutdown() -> None:
    import ray

    ray.shutdown()


def _descendants(processes: list[psutil.Process]) -> list[psutil.Process]:
    found = list(processes)
    for process in processes:
        try:
            found += process.children(recursive=True)
        except psutil.NoSuchProcess:
            continue
    return found


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _end(processes: list[psutil.Process]) -> None:
    """Wait for them to end, and kill those that do not, such as a stopped one."""
    _, left = psutil.wait_procs(processes, timeout=EXIT_SECONDS)
    for process in left:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(left, timeout=EXIT_SECONDS)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables inside the block; Ray reads some when it is imported, others when it starts."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Restore the handlers that `ray.init` replaces."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
