"""How far a stage is, told to whoever listens in this process: the terminal, a Prefect artifact, a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """One stage's position. `total` is None where the end is not known, 0 where there is only `note`, a short text."""

    stage: str
    done: int
    total: int | None
    note: str = ""


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
