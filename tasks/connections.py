"""Connects a task to its servers, with the settings of the machine it runs on."""

from __future__ import annotations

from wgan.settings import Settings, load_settings
from wgan.storage import Storage, open_storage


def connect() -> tuple[Settings, Storage]:
    """This machine's settings and their bucket."""
    settings = load_settings()
    return settings, open_storage(settings)
