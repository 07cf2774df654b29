"""A benchmark that is terminated stops the servers that it started."""

from __future__ import annotations

import signal
import sys


def exit_on_sigterm() -> None:
    """Make SIGTERM end the process as `sys.exit` does, with every `finally` on the way."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
