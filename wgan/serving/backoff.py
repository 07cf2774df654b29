"""How long to wait before the registry is asked again: longer after every failure, and never all servers at once."""

from __future__ import annotations

import random

LONGEST_PAUSE = 60.0
"""Seconds: where the back-off ends."""
JITTER = 0.2
"""Pauses are longer or shorter by up to this share, so that many servers do not ask at once."""


def backed_off(seconds: float, failures: int) -> float:
    """The pause in seconds, doubled for every failure in a row."""
    # 16: past it the pause has long reached its end, and a power of a large number does not fit a float
    return min(seconds * 2.0 ** min(failures, 16), max(LONGEST_PAUSE, seconds))


def jittered(seconds: float) -> float:
    """The pause, a little longer or shorter."""
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)
