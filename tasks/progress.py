"""A Prefect progress artifact that follows one stage."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from wgan.progress import Progress, listening

SECONDS_BETWEEN_UPDATES = 2.0


@contextmanager
def progress_artifact(key: str, description: str) -> Iterator[None]:
    """Keep an artifact at the percentage of whatever is reported within the block, and at 100 when it ends well."""
    artifact = create_progress_artifact(progress=0.0, key=key, description=description)
    last = 0.0

    def update(position: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if position.total and now - last >= SECONDS_BETWEEN_UPDATES:
            last = now
            update_progress_artifact(
                artifact_id=artifact,  # type: ignore[arg-type]
                progress=min(100.0, 100.0 * position.done / position.total),
                description=f"{position.stage}: {position.done:,} of {position.total:,}. {position.note}",
            )

    with listening(update):
        yield
    update_progress_artifact(artifact_id=artifact, progress=100.0)  # type: ignore[arg-type]
