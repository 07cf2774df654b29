"""What fetching a file takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wgan.settings import Settings
from wgan.storage import Storage

Progress = Callable[[str, int, int | None], None]
"""progress(phase, done, total); total is None where it is not known."""


@dataclass(frozen=True)
class RetryPolicy:
    """How long to wait, and how often to try again."""

    connect_seconds: float = 10.0
    stall_seconds: float = 30.0
    """Longest silence in the middle of an answer."""
    attempts: int = 5
    """Per address."""
    backoff_seconds: float = 1.0
    """Before the second attempt; doubled each time, with a random part of up to as much again."""
    longest_backoff_seconds: float = 60.0


@dataclass(frozen=True)
class Access:
    """What a source needs to fetch its files."""

    settings: Settings
    storage: Storage
    retries: RetryPolicy
    progress: Progress
