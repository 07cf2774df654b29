"""Starts and stops the stack for `wgan up` and `wgan down`: in this process or in a detached one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

from wgan.errors import WganError
from wgan.settings import Settings
from wgan.stack.home import prepare_home
from wgan.stack.lifecycle import StackInterrupted, StackIsUp, start_stack, stop_stack
from wgan.stack.processes import STOP_SECONDS, log_end, set_aside_large_log, stop_strays
from wgan.stack.state import clear_state, hold_lock, is_locked, read_state
from wgan.stack.status import StackStatus, stack_status
from wgan.stack.supervision import supervise

POLL_SECONDS = 0.1
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_here(settings: Settings, ready: Callable[[StackStatus, bool], None], say: Callable[[str], None]) -> None:
    """Start the stack as children of this process, call `ready(status, True)`, and supervise it until a signal.

    If the stack is already up, only calls `ready(status, False)`. Waits for a start in progress in another process.
    Raises as `start_stack` does.
    """
    with _stop_signals() as stopping:
        deadline = time.monotonic() + settings.start_timeout + STOP_SECONDS
        while True:
            try:
                stack = start_stack(settings, stopping)
            except StackInterrupted:
                return
            except StackIsUp:
                if _is_ready(settings):
                    ready(stack_status(settings), False)
                    return
                if time.monotonic() > deadline:
                    raise
                if stopping.wait(POLL_SECONDS):
                    return
            else:
                break
        try:
            ready(stack_status(settings), True)
        except BaseException:
            stop_stack(stack)
            raise
        supervise(stack, stopping, say)


def run_detached(settings: Settings) -> tuple[StackStatus, bool]:
    """Start the stack in a detached process with its own session; returns once it is healthy.

    Returns its status, and whether it was started now (else it was already up). Raises `WganError` with that process's
    message if it did not start.
    """
    home = settings.home.resolve()
    prepare_home(home)
    log = home / "logs" / "stack.log"
    log.touch(mode=0o600)
    set_aside_large_log(log)
    with log.open("ab") as output:  # the stack may already be up and writing to it
        process = subprocess.Popen(
            [sys.executable, "-m", "wgan.stack.detached"],
            env={**os.environ, "WGAN_HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            start_new_session=True,
        )
    assert process.stdout is not None
    try:
        answer = process.stdout.readline()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if not answer:
        raise WganError(f"the stack's process ended with exit code {process.wait()}; its log {log}:", log_end(log))
    said = json.loads(answer)
    if "error" in said:
        process.wait()
        raise WganError(said["error"])
    return stack_status(settings), bool(said["fresh"])


def take_down(settings: Settings) -> tuple[bool, int]:
    """Stop the home's stack, wait until it ends, and kill leftovers of a killed one.

    Returns whether one was running, and how many leftover processes were killed.
    """
    home = settings.home.resolve()
    was_up = is_locked(home)
    if was_up:
        _stop_supervisor(settings)
    if not home.is_dir():
        return False, 0
    lock = hold_lock(home)
    if lock is None:
        raise StackIsUp(f"another `wgan up` has just started in {home}: run `wgan down` again.")
    with lock:
        cleaned = stop_strays(home)
        clear_state(home)
    return was_up, cleaned


def _stop_supervisor(settings: Settings) -> None:
    home = settings.home.resolve()
    state = read_state(home)
    supervisor = state.supervisor() if state else None
    if supervisor is None:
        raise WganError(f"the stack in {home} is running, but {home / 'stack.json'} does not say in which process.")
    supervisor.terminate()
    # Each server may take STOP_SECONDS to finish its requests.
    deadline = time.monotonic() + 5 * STOP_SECONDS
    while is_locked(home):
        if time.monotonic() > deadline:
            supervisor.kill()
            psutil.wait_procs([supervisor], STOP_SECONDS)
            return
        time.sleep(POLL_SECONDS)


def _is_ready(settings: Settings) -> bool:
    state = read_state(settings.home.resolve())
    return state is not None and state.ready


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    stopping = threading.Event()
    former = {number: signal.signal(number, lambda *_: stopping.set()) for number in STOP_SIGNALS}
    try:
        yield stopping
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
