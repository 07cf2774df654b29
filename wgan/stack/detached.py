"""`python -m wgan.stack.detached`: the process that `wgan up --detach` leaves behind.

It writes one JSON line to standard output, `{"fresh": …}` when the stack is up or `{"error": …}`, then closes it.
Messages about servers that die later go to standard error, which is `logs/stack.log`.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime

from wgan.errors import WganError
from wgan.settings import load_settings
from wgan.stack.control import run_here
from wgan.stack.status import StackStatus


def main() -> int:
    """Run the stack until a signal; returns the exit code."""
    answered = False

    def answer(**said: object) -> None:
        nonlocal answered
        answered = True
        print(json.dumps(said), flush=True)
        with open(os.devnull, "w") as nothing:  # noqa: PTH123 - a descriptor is needed
            os.dup2(nothing.fileno(), sys.stdout.fileno())

    def ready(_: StackStatus, fresh: bool) -> None:
        answer(fresh=fresh)

    def say(text: str) -> None:
        print(f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S%z} {text}", file=sys.stderr, flush=True)

    try:
        run_here(load_settings(), ready, say)
    except WganError as error:
        say(str(error))
        if not answered:
            answer(error=str(error))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
