"""What downloading a file needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wgan.settings import Settings
from wgan.storage import Storage

Progress = Callable[[str, int, int | None], None]
"""progress(phase, done, total); total is None if unknown."""


@dataclass(frozen=True)
class RetryPolicy:
    """Timeouts and number of retries."""

    connect_seconds: float = 10.0
    stall_seconds: float = 30.0
    """Read timeout in seconds."""
    attempts: int = 5
    """Attempts per URL."""
    backoff_seconds: float = 1.0
    """Seconds before the second attempt; doubled each time, plus a random part of up to the same length."""
    longest_backoff_seconds: float = 60.0


@dataclass(frozen=True)
class Access:
    """What a source needs to fetch its files."""

    settings: Settings
    storage: Storage
    retries: RetryPolicy
    progress: Progress
