"""The process that downloads and verifies a version, so that a bad one cannot affect serving.

It reads one `Order` from standard input and writes lines to standard output: `verifying` once the files are there, and
a `Report` at the end. `loader` starts it; limits on memory and CPU time stop it from outside.
"""

from __future__ import annotations

import math
import os
import resource
import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from wgan.errors import WganError
from wgan.serving.download import download
from wgan.serving.faults import Fault, VersionFault
from wgan.serving.loading import Verified, VersionFiles, verify
from wgan.serving.registry import RegistryVersion
from wgan.settings import Settings

NICENESS = 10
"""Niceness: the served model's threads take precedence."""
VERIFYING = "verifying"


class Order(BaseModel):
    """What to load."""

    model: str
    version: int
    source: str
    created: datetime
    folder: Path
    """Folder of the files, present or to be downloaded."""
    base: str | None
    """URI to download them from; None if they are present."""
    duty: float
    settings: dict[str, Any]


class Report(BaseModel):
    """The outcome: one of the two."""

    verified: Verified | None = None
    fault: Fault | None = None
    reason: str = ""


def order(files: VersionFiles, base: str | None, duty: float, settings: Settings) -> str:
    """The order as JSON. It contains the settings' secrets: pass it only to the process's standard input."""
    plain = {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name in type(settings).model_fields
        if (value := getattr(settings, name)) is not None
    }
    version = files.version
    return Order(
        model=version.model, version=version.version, source=version.source, created=version.created,
        folder=files.folder, base=base, duty=duty, settings=plain,
    ).model_dump_json()  # fmt: skip


def carry_out(given: Order) -> Report:
    """Download unless the files are present, then verify."""
    settings = Settings(_env_file=None, **given.settings)
    version = RegistryVersion(given.model, given.version, given.source, given.created, {})
    try:
        if given.base is not None:
            download(given.base, given.folder, settings)
        print(VERIFYING, flush=True)
        _limit(settings)
        return Report(verified=verify(VersionFiles(version, given.folder), settings, given.duty))
    except VersionFault as error:
        return Report(fault="version", reason=str(error))
    except WganError as error:
        return Report(fault="process", reason=str(error))
    except OSError as error:
        reason = (
            f"the cache folder cannot be written ({error.strerror or error}): free some space, or set WGAN_CACHE_DIR."
        )
        return Report(fault="process", reason=reason)


def _limit(settings: Settings) -> None:
    """Limit the memory and CPU time of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = math.ceil(used.ru_utime + used.ru_stime + settings.serve_verify_seconds)
    for kind, most in ((resource.RLIMIT_CPU, seconds), (resource.RLIMIT_DATA, settings.serve_verify_bytes)):
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def main() -> None:
    """Read the order, carry it out, report."""
    os.nice(NICENESS)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # out of memory, kill this process, not the server
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print(carry_out(Order.model_validate_json(sys.stdin.read())).model_dump_json(), flush=True)


if __name__ == "__main__":
    main()
