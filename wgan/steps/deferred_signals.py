"""SIGTERM and Ctrl-C, put off until work reached a place where it can be continued."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def deferred_signals() -> Iterator[Callable[[], bool]]:
    """Hold SIGTERM and SIGINT back; yields a function that says whether one came.

    The handlers there were before are restored at the end; the caller decides what a held signal means. A second
    signal of the same kind is not held: it acts at once. Outside the main thread, where Python takes no handlers,
    nothing is held.
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
