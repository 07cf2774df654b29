"""Trials in parallel processes, one thread each: the same numbers for any number of workers."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.synchronize import Event

import torch

from wgan.errors import WganError
from wgan.study.trials import Trial, TrialResult, run_trial

_stop: Event | None = None


class Stopped(Exception):
    """The parent process has cancelled the trial."""


def run_trials(
    trials: Sequence[Trial], finished: Callable[[int, TrialResult], None], workers: int | None = None
) -> list[TrialResult]:
    """Run all trials, as many concurrently as there are CPU cores; results in the trials' order.

    `finished(done, result)` is called as each ends. An exception here, including Ctrl-C, stops the processes within one
    step. Raises `WganError` if a process is killed.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["wgan.study.trials"])
    stop = context.Event()
    count = min(len(trials), workers or len(os.sched_getaffinity(0)))
    with ProcessPoolExecutor(count, context, initializer=_begin, initargs=(stop,)) as pool:
        try:
            futures = {pool.submit(_run, trial): position for position, trial in enumerate(trials)}
            results: dict[int, TrialResult] = {}
            for done, future in enumerate(as_completed(futures), start=1):
                results[futures[future]] = future.result()
                finished(done, results[futures[future]])
        except BrokenProcessPool:
            raise WganError(
                "a training process of the study was killed, perhaps for lack of memory: `wgan study --resume "
                "FLOW_RUN` resumes with the remaining trainings."
            ) from None
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
    return [results[position] for position in range(len(trials))]


def _begin(stop: Event) -> None:
    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C


def _run(trial: Trial) -> TrialResult:
    return run_trial(trial, _check)


def _check() -> None:
    parent = multiprocessing.parent_process()
    assert _stop is not None
    assert parent is not None
    if _stop.is_set() or not parent.is_alive():
        raise Stopped


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread in the block, as the processes do: sums then do not depend on the machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
