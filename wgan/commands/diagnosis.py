"""Checks what a run needs from this machine and the configured servers; each failure includes the remedy."""

from __future__ import annotations

import hashlib
import platform
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import httpx
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from pydantic import Field

from wgan.commands.extras import DISTRIBUTION, EXTRAS, Extra, install_command, missing_mark, requirements_of
from wgan.errors import WganError
from wgan.prefect_server.client import login_headers
from wgan.processors import usable_processors
from wgan.records import Record
from wgan.registry.alias_faults import alias_faults
from wgan.settings import Settings
from wgan.stack.credentials import NOBODY
from wgan.stack.environment import LOOPBACK
from wgan.stack.processes import port_obstacle
from wgan.stack.servers import embedded_servers
from wgan.stack.state import is_locked
from wgan.storage import open_storage

FREE_BYTES = 2 * 2**30
"""Minimum free disk space: a small data set with its checkpoints and model versions."""
PROBE_BYTES = 2**20
NEEDED_FOR: dict[Extra, str] = {
    "serve": "serving",
    "pipeline": "everything that uses Prefect or MLflow",
    "train": "training and measuring",
    "scale": "training on several workers",
}


class Check(Record):
    """The result of one check."""

    name: str
    outcome: Literal["ok", "info", "failed"] = Field(description="`info`: missing, but only needed for some commands.")
    finding: str
    remedy: str | None = Field(None, description="How to fix a failure.")


class Diagnosis(Record):
    """The results of all checks."""

    healthy: bool = Field(description="No check failed.")
    checks: tuple[Check, ...]


def examine(settings: Settings) -> Diagnosis:
    """Run every check; they take a few seconds, most of it for importing torch. Failed checks raise nothing."""
    checks = (
        _python(),
        *_packages(),
        _processors(),
        _device(settings),
        _ports(settings),
        _disk("home folder", settings.home.resolve(), "WGAN_HOME"),
        _disk("cache folder", settings.cache.resolve(), "WGAN_CACHE_DIR"),
        _storage(settings),
        _server("MLflow server", f"{settings.mlflow_tracking_uri.rstrip('/')}/health", "WGAN_MLFLOW_TRACKING_URI"),
        _server(
            "Prefect server",
            f"{settings.prefect_api_url.rstrip('/')}/admin/version",
            "WGAN_PREFECT_API_URL",
            login_headers(settings),
        ),
        *_champions(settings),
    )
    return Diagnosis(healthy=all(check.outcome != "failed" for check in checks), checks=checks)


def _python() -> Check:
    found = platform.python_version()
    allowed = metadata.metadata(DISTRIBUTION)["Requires-Python"]
    if found in SpecifierSet(allowed):
        return Check(name="Python", outcome="ok", finding=f"{found} at {sys.executable}")
    remedy = f"install into an environment of a Python {allowed}, e.g. `make run PYTHON=python3.13`."
    return Check(name="Python", outcome="failed", finding=f"{found}; {allowed} is required", remedy=remedy)


def _packages() -> Iterator[Check]:
    good = 0
    for extra in (None, *EXTRAS):
        if extra and (missing := missing_mark(extra)):
            finding = f"{missing} is not installed, which {NEEDED_FOR[extra]} needs: {install_command(extra)}"
            yield Check(name=f"extra {extra}", outcome="info", finding=finding)
            continue
        for requirement in requirements_of(extra):
            obstacle = _obstacle(requirement)
            good += obstacle is None
            if obstacle:
                yield Check(
                    name="package", outcome="failed", finding=obstacle, remedy=f"pip install '{_bare(requirement)}'"
                )
    yield Check(name="packages", outcome="ok", finding=f"{good} at the required versions")


def _obstacle(requirement: Requirement) -> str | None:
    try:
        found = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return f"{requirement.name} is not installed"
    if requirement.specifier.contains(found, prereleases=True):
        return None
    return f"{requirement.name} is {found}; {requirement.specifier} is required"


def _bare(requirement: Requirement) -> str:
    return f"{requirement.name}{requirement.specifier}"


def _processors() -> Check:
    found = usable_processors()
    return Check(name="processors", outcome="ok", finding=f"{found.count}: {found.origin}")


def _device(settings: Settings) -> Check:
    try:
        from wgan.training.device import multiplies_bf16, resolve_device

        device = resolve_device(settings.device)
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "numpy"):
            raise
        finding = f"torch is not installed, which only training needs: {install_command('train')}"
        return Check(name="device", outcome="info", finding=finding)
    except WganError as error:
        return Check(name="device", outcome="failed", finding=str(error), remedy="set WGAN_DEVICE=auto.")
    precision = "bf16 or float32, as measured when a run starts" if multiplies_bf16(device) else "float32"
    return Check(name="device", outcome="ok", finding=f"{device}, precision {precision}")


def _ports(settings: Settings) -> Check:
    servers = embedded_servers(settings, NOBODY)
    numbers = ", ".join(str(server.port) for server in servers)
    if is_locked(settings.home.resolve()):
        return Check(name="ports", outcome="ok", finding="held by the embedded stack, which is up")
    obstacles = [(server, port_obstacle(server.port)) for server in servers]
    taken = [f"port {server.port} cannot be used, {why}" for server, why in obstacles if why]
    if not taken:
        return Check(name="ports", outcome="ok", finding=f"{numbers} are free")
    variables = " or ".join(server.port_setting for server, why in obstacles if why)
    return Check(
        name="ports",
        outcome="failed" if _is_embedded(settings) else "info",
        finding="; ".join(taken),
        remedy=f"set {variables} to a free port, or stop that process." if _is_embedded(settings) else None,
    )


def _is_embedded(settings: Settings) -> bool:
    addresses = (settings.s3_endpoint_url, settings.mlflow_tracking_uri, settings.prefect_api_url)
    return any(_is_loopback(address) for address in addresses)


def _is_loopback(address: str) -> bool:
    return urlsplit(address).hostname in (LOOPBACK, "localhost")


def _disk(name: str, folder: Path, variable: str) -> Check:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    remedy = f"set {variable} to a writable folder on a disk with free space."
    try:
        with tempfile.TemporaryFile(dir=existing) as file:
            file.write(b"\0" * 4096)
    except OSError as error:
        finding = f"{existing} cannot be written to ({error.strerror})"
        return Check(name=name, outcome="failed", finding=finding, remedy=remedy)
    free = shutil.disk_usage(existing).free
    finding = f"{folder}, {free / 2**30:.1f} GiB free"
    if free < FREE_BYTES:
        return Check(name=name, outcome="failed", finding=finding, remedy=remedy)
    return Check(name=name, outcome="ok", finding=finding)


def _storage(settings: Settings) -> Check:
    data = secrets.token_bytes(PROBE_BYTES)
    storage = open_storage(settings)
    key = f"doctor/{secrets.token_hex(8)}"
    try:
        storage.put_bytes(key, data)
        read = storage.get_bytes(key)
        storage.delete(key)
        left = storage.exists(key)
    except WganError as error:
        return Check(name="storage", outcome="failed", finding=str(error), remedy=_start("WGAN_S3_ENDPOINT_URL"))
    if left or hashlib.sha256(read).digest() != hashlib.sha256(data).digest():
        finding = f"{storage.uri(key)} came back {'after its deletion' if left else 'with another SHA-256'}"
        return Check(name="storage", outcome="failed", finding=finding, remedy="use another object store.")
    finding = f"{storage.uri('')} at {settings.s3_endpoint_url}: written, read with its SHA-256, deleted"
    return Check(name="storage", outcome="ok", finding=finding)


def _server(name: str, url: str, variable: str, headers: dict[str, str] | None = None) -> Check:
    try:
        answer = httpx.get(url, headers=headers, timeout=10.0, trust_env=not _is_loopback(url))
        if headers is not None and answer.status_code == httpx.codes.UNAUTHORIZED:
            remedy = "set WGAN_PREFECT_AUTH_STRING to its user:password; leave it unset for the embedded server."
            return Check(name=name, outcome="failed", finding=f"{url} rejects the login", remedy=remedy)
        answer.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Check(name=name, outcome="failed", finding=f"{url}: {error}", remedy=_start(variable))
    return Check(name=name, outcome="ok", finding=f"healthy at {url}")


def _champions(settings: Settings) -> Iterator[Check]:
    """Champions moved outside this pipeline; nothing if MLflow does not answer, since another check says so."""
    with suppress(WganError):
        for fault in alias_faults(settings):
            yield Check(name="champion", outcome="info", finding=fault)


def _start(variable: str) -> str:
    return f"start the embedded stack with `wgan up`, or set {variable} to your own server."
