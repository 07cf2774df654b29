"""A Prefect progress artifact for one stage, and progress lines in the run's log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from tasks.run_logs import ProgressLines
from wgan.progress import Pace, Progress, listening, sentence

SECONDS_BETWEEN_UPDATES = 2.0


@contextmanager
def progress_artifact(key: str, description: str) -> Iterator[None]:
    """Update an artifact with the percentage reported within the block, and 100 if it succeeds.

    Its description gives the position and the estimated time left. The run's log gets occasional lines.
    """
    artifact = cast(UUID, create_progress_artifact(progress=0.0, key=key, description=description))
    shown = 0.0
    text = description
    paces: dict[str, Pace] = {}

    def update(position: Progress) -> None:
        nonlocal shown, text
        if not position.total:
            return
        now = time.monotonic()
        pace = paces.setdefault(position.stage, Pace())
        pace.hear(position.done, now)
        text = sentence(position, pace.seconds_left(position.total))
        if now - shown >= SECONDS_BETWEEN_UPDATES:
            shown = now
            share = min(100.0, 100.0 * position.done / position.total)
            update_progress_artifact(artifact_id=artifact, progress=share, description=text)

    with listening(update), listening(ProgressLines()):
        yield
    update_progress_artifact(artifact_id=artifact, progress=100.0, description=text)
