"""A forced promotion in its own process with its own clock.

python promotion_process.py MODEL VERSION CHAMPION [SIGNAL WRITE]: before its write of that number, counted from 0, the
process sends itself the signal (SIGSTOP, SIGKILL).
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from wgan.errors import WganError
from wgan.mlflow_api.models import Models
from wgan.registry.promotion import promote
from wgan.settings import load_settings
from wgan.storage import Storage, open_storage

WRITES = (
    (Models, "tag_version"),
    (Models, "set_alias"),
    (Models, "delete_alias"),
    (Storage, "put_bytes"),
    (Storage, "delete"),
)


def main() -> int:
    model, version, champion = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if sys.argv[4:]:
        signal_before_write(signal.Signals[sys.argv[4]], int(sys.argv[5]))
    settings = load_settings()
    storage = open_storage(settings)
    try:
        promote((model, version), None, settings, storage, force=True, reason="a drill", expected_champion=champion)
    except WganError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def signal_before_write(number: signal.Signals, write: int) -> None:
    """Stop or kill this process between its check and that write."""
    count = itertools.count()

    def interrupted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if next(count) == write:
                os.kill(os.getpid(), number)
            return real(*arguments, **options)

        return call

    for owner, name in WRITES:
        setattr(owner, name, interrupted(getattr(owner, name)))


if __name__ == "__main__":
    sys.exit(main())
