"""The pause before the registry is polled again: longer after every failure, with jitter."""

from __future__ import annotations

import random

LONGEST_PAUSE = 60.0
"""The longest pause, in seconds."""
JITTER = 0.2
"""Pauses vary by up to this share, so that many servers do not poll at once."""


def backed_off(seconds: float, failures: int) -> float:
    """The pause in seconds, doubled for every failure in a row."""
    # beyond 16 the pause has long reached its maximum, and larger powers overflow a float
    return min(seconds * 2.0 ** min(failures, 16), max(LONGEST_PAUSE, seconds))


def jittered(seconds: float) -> float:
    """The pause, randomly a little longer or shorter."""
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)
