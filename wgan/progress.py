"""Reports a stage's progress to listeners in this process: the terminal, a Prefect artifact, a test."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from wgan.durations import spoken

RECENT_SECONDS = 60.0
"""Seconds over which the pace is measured: long enough to even out a checkpoint, short enough to notice load."""
STEPPED = ("training", "classifier")
"""Stages counted in steps; others are counted in images or bytes."""


@dataclass(frozen=True)
class Progress:
    """One stage's position. `total` is None if unknown, 0 if there is only `note`, a short text."""

    stage: str
    done: int
    total: int | None
    note: str = ""


class Pace:
    """The speed of a stage, from its reports of the last minute, and the estimated time left.

    Counting starts at the first report: steps done before a resume do not count.
    """

    def __init__(self) -> None:
        self._heard: deque[tuple[float, int]] = deque()

    def hear(self, done: int, now: float) -> None:
        """Record a report of `done` at the time `now`, in seconds of any clock. A decrease restarts the count."""
        if self._heard and done < self._heard[-1][1]:
            self._heard.clear()
        self._heard.append((now, done))
        while len(self._heard) > 2 and self._heard[1][0] <= now - RECENT_SECONDS:
            self._heard.popleft()

    def seconds_left(self, total: int | None) -> float | None:
        """Seconds until `total`; None if the total or the pace is unknown, or nothing is left."""
        if not total or len(self._heard) < 2:
            return None
        (began, first), (now, done) = self._heard[0], self._heard[-1]
        if done >= total or done == first or now <= began:
            return None
        return (total - done) * (now - began) / (done - first)


def sentence(position: Progress, seconds_left: float | None) -> str:
    """`training: step 400 of 1,200, about 3 min left. 50 images/s`."""
    step = "step " if position.stage.rpartition(": ")[2] in STEPPED else ""
    of = "" if position.total is None else f" of {position.total:,}"
    left = "" if seconds_left is None else f", about {spoken(seconds_left)} left"
    return f"{position.stage}: {step}{position.done:,}{of}{left}. {position.note}".rstrip(". ")


Listener = Callable[[Progress], None]
_listeners: list[Listener] = []


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Receive all progress of this process during the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def report(stage: str, done: int, total: int | None, note: str = "") -> None:
    """Tell every listener."""
    progress = Progress(stage, done, total, note)
    for listener in list(_listeners):
        listener(progress)


def titled(title: str) -> Callable[[str, int, int | None], None]:
    """`report` for a part of the work with its own stages: `real images and untrained: evaluation`."""
    return lambda stage, done, total: report(f"{title}: {stage}", done, total)


def announce(stage: str, note: str) -> None:
    """Send every listener a note without a total."""
    report(stage, 0, 0, note)
