"""A decoding process: reads pickled lists of files from standard input, answers with their pixels.

Run by `wgan.data.decoding` as `python -m wgan.data.decode_worker`. It is a separate program because multiprocessing
would run the caller's main script again in every worker, and a fork would inherit the locks of the caller's threads. It
exits at the end of its input, and so with the process that started it.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

from wgan.data.decoded import decode_chunk, measure_chunk

TASKS: dict[str, Callable[..., Any]] = {"decode": decode_chunk, "measure": measure_chunk}


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer until the requests end."""
    while True:
        try:
            task, arguments, chunk = pickle.load(requests)
        except EOFError:
            return
        pickle.dump(TASKS[task](*arguments, chunk), replies, protocol=pickle.HIGHEST_PROTOCOL)
        replies.flush()


if __name__ == "__main__":
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # decoder output must not mix with the answers
    serve(sys.stdin.buffer, answers)
