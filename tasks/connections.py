"""Where a task's servers are, read on the machine the task runs on."""

from __future__ import annotations

from wgan.settings import Settings, load_settings
from wgan.storage import Storage, open_storage


def connect() -> tuple[Settings, Storage]:
    """This machine's settings and the bucket they name."""
    settings = load_settings()
    return settings, open_storage(settings)
