"""Defers SIGTERM and Ctrl-C until work reaches a point where it can be resumed."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def deferred_signals() -> Iterator[Callable[[], bool]]:
    """Defer SIGTERM and SIGINT; yields a function that tells whether one arrived.

    The previous handlers are restored at the end; the caller decides what a deferred signal means. A second signal of
    the same kind acts at once. Outside the main thread, where Python allows no handlers, nothing is deferred.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    previous = {int(number): signal.getsignal(number) for number in SIGNALS}

    def hold(number: int, frame: FrameType | None) -> None:
        received.append(number)
        signal.signal(number, previous[number])

    for number in SIGNALS:
        signal.signal(number, hold)
    try:
        yield lambda: bool(received)
    finally:
        for number in SIGNALS:
            signal.signal(number, previous[number])
