"""On the path of processes under libfaketime, whose clock_nanosleep, by which Python sleeps, fails (0.9.10)."""

import select
import time


def sleep(seconds: float) -> None:
    """Sleep by select, which libfaketime leaves right."""
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    select.select([], [], [], seconds)


time.sleep = sleep
