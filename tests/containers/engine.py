"""Run podman, buildah and podman-compose."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex

BUILD_SECRET = f"only-for-this-build-{token_hex(8)}"
"""A text in the build's secret, which must not be kept."""
CHECKOUT = Path(__file__).resolve().parents[2]
CONFINED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none")
"""The restrictions of every container of this pipeline, and no network."""


def run(*command: str | Path, check: bool = True, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run to the end; with `check` its exit code must be 0."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=timeout)
    if check:
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done


def inside(image: str, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command in a fresh, confined container."""
    return run("podman", "run", "--rm", *CONFINED, image, *command, check=check)


def build(file: Path, context: Path, *options: str | Path) -> None:
    """Build an image of a containerfile, in a plain chroot, which needs no permission to create namespaces."""
    run("buildah", "bud", "--isolation", "chroot", "--format", "docker", "-f", file, *options, context, timeout=1500)


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until the condition holds; fail with what did not happen."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:g} s"
        time.sleep(0.5)
