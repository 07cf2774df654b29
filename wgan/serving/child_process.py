"""Start a module of this package as a separate process that runs exactly this process's code."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import wgan

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""Limits libraries that would start their own threads."""


async def start(module: str, errors: int = asyncio.subprocess.DEVNULL) -> asyncio.subprocess.Process:
    """`python -m module`, standard input and output as pipes; it receives no signals from the terminal."""
    code = str(Path(wgan.__file__).parents[1])
    path = os.pathsep.join([code, *filter(None, sys.path[1:])])
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", module,
        stdin=pipe, stdout=pipe, stderr=errors, start_new_session=True,
        env={**os.environ, **ONE_THREAD, "PYTHONPATH": path},
    )  # fmt: skip
