"""How far a stage is, told to whoever listens in this process: the terminal, a Prefect artifact, a test."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from wgan.durations import spoken

RECENT_SECONDS = 60.0
"""What counts for the pace: long enough to even out a checkpoint, short enough to notice a busier machine."""
STEPPED = ("training", "classifier")
"""Stages whose numbers are steps; those of others are images or bytes."""


@dataclass(frozen=True)
class Progress:
    """One stage's position. `total` is None where the end is not known, 0 where there is only `note`, a short text."""

    stage: str
    done: int
    total: int | None
    note: str = ""


class Pace:
    """How fast one stage goes, from its own reports of the last minute, and so how long the rest of it takes.

    The first report is where the count begins: steps that were done before a resume say nothing of the pace.
    """

    def __init__(self) -> None:
        self._heard: deque[tuple[float, int]] = deque()

    def hear(self, done: int, now: float) -> None:
        """A report of `done` at the time `now`, seconds of any clock. One that goes back begins the count anew."""
        if self._heard and done < self._heard[-1][1]:
            self._heard.clear()
        self._heard.append((now, done))
        while len(self._heard) > 2 and self._heard[1][0] <= now - RECENT_SECONDS:
            self._heard.popleft()

    def seconds_left(self, total: int | None) -> float | None:
        """Until `total` is done; None where the total or the pace is not known yet, or nothing is left."""
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
    """Hear all progress of this process for the time of the block."""
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
    """`report` for a part of the work that has stages of its own: `real images and untrained: evaluation`."""
    return lambda stage, done, total: report(f"{title}: {stage}", done, total)


def announce(stage: str, note: str) -> None:
    """Tell every listener something that has no length."""
    report(stage, 0, 0, note)
