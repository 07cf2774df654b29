"""`wgan` commands in forks of a process that has the large libraries loaded: half of a short retraining is imports."""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from tests.integration import preloaded

COMMANDS = ("compare", "evaluate", "housekeeping", "promote", "retrain")
"""Commands that load torch or MLflow; the others start in a moment."""
_free = threading.Lock()


def is_warm(arguments: Sequence[str], variables: Mapping[str, str]) -> bool:
    """Whether the command, with these additional variables, is faster this way and does the same.

    A fork ends without waiting for threads that are left, unlike a process of its own. Not where other modules are to
    be found than here, and not where coverage measures what processes run.
    """
    elsewhere = "PYTHONPATH" in variables or "COVERAGE_PROCESS_CONFIG" in os.environ
    return arguments[0] in COMMANDS and not elsewhere


def run_warm(arguments: Sequence[str], environment: Mapping[str, str], seconds: float) -> tuple[int, str, str] | None:
    """Exit code, standard output and error of the command; None while another one runs. Kills it after the seconds."""
    if not _free.acquire(blocking=False):
        return None
    try:
        with tempfile.TemporaryDirectory() as folder:
            out, errors = Path(folder) / "out", Path(folder) / "errors"
            out.touch()
            errors.touch()
            code = _ask(
                {
                    "arguments": list(arguments),
                    "environment": dict(environment),
                    "folder": str(Path.cwd()),
                    "out": str(out),
                    "errors": str(errors),
                },
                seconds,
            )
            return code, out.read_text(), errors.read_text()
    finally:
        _free.release()


def _ask(request: Mapping[str, object], seconds: float) -> int:
    server = _server()
    assert server.stdin is not None
    server.stdin.write(json.dumps(request).encode() + b"\n")
    server.stdin.flush()
    child = _answer(server, 120)
    try:
        return _answer(server, seconds)
    except TimeoutError:
        os.kill(child, signal.SIGKILL)
        _answer(server, 60)
        raise


def _answer(server: subprocess.Popen[bytes], seconds: float) -> int:
    assert server.stdout is not None
    if not select.select([server.stdout], [], [], seconds)[0]:
        raise TimeoutError(f"no answer in {seconds:.0f} s")
    line = server.stdout.readline()
    assert line, "the process with the libraries has ended"
    return int(line)


@cache
def _server() -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    server = subprocess.Popen([sys.executable, preloaded.__file__], stdin=pipe, stdout=pipe, bufsize=0)
    atexit.register(server.stdin.close)  # type: ignore[union-attr]
    return server
