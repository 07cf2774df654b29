"""A forced promotion in a process, and by a clock, of its own: python promotion_process.py MODEL VERSION CHAMPION."""

from __future__ import annotations

import sys

from wgan.registry.promotion import promote
from wgan.settings import load_settings
from wgan.storage import open_storage


def main() -> None:
    model, version, champion = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    settings = load_settings()
    storage = open_storage(settings)
    promote((model, version), None, settings, storage, force=True, reason="a drill", expected_champion=champion)


if __name__ == "__main__":
    main()
