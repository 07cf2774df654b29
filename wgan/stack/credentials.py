"""Files in the home folder that hold secrets: generated once, readable by their owner only."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from wgan.errors import WganError
from wgan.settings import CONNECTION_FILE, Settings, embedded_addresses

CREDENTIALS_FILE = "credentials.json"


@dataclass(frozen=True)
class Credentials:
    """Key pair of the embedded S3 server."""

    access_key_id: str
    secret_access_key: str = field(repr=False)


def prepare_home(home: Path) -> None:
    """Create the home folder and what belongs in it, for the owner only. Raises `WganError` when it cannot."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o700)
        for name in ("logs", "s3", "prefect"):
            (home / name).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise WganError(
            f"the folder {home} cannot be used ({error.strerror}): make it writable or set WGAN_HOME to another one."
        ) from None


def ensure_credentials(home: Path) -> Credentials:
    """Read the home's key pair, or generate it the first time. Raises `WganError` when the file is damaged."""
    path = home / CREDENTIALS_FILE
    if not path.exists():
        values = {"access_key_id": secrets.token_urlsafe(15), "secret_access_key": secrets.token_urlsafe(30)}
        write_private(path, values)
    try:
        return Credentials(**json.loads(path.read_text()))
    except (ValueError, TypeError):
        raise WganError(f"{path} is damaged: delete it, and the next `wgan up` generates new credentials.") from None


def write_connection(settings: Settings, credentials: Credentials) -> None:
    """Write where the embedded servers of this home are; `wgan.settings.load_settings` reads it."""
    write_private(settings.home.resolve() / CONNECTION_FILE, _connection(settings, credentials))


def connected(settings: Settings, credentials: Credentials) -> Settings:
    """The settings with the addresses and credentials of their own embedded servers."""
    values: dict[str, Any] = _connection(settings, credentials)
    secret = SecretStr(values.pop("s3_secret_access_key"))
    return settings.model_copy(update={**values, "s3_secret_access_key": secret})


def _connection(settings: Settings, credentials: Credentials) -> dict[str, str]:
    serving = {"serving_urls": f"http://127.0.0.1:{settings.serve_port}"} if settings.serve_model else {}
    return {
        **embedded_addresses(settings),
        **serving,
        "s3_access_key_id": credentials.access_key_id,
        "s3_secret_access_key": credentials.secret_access_key,
    }


def write_private(path: Path, values: Any) -> None:
    """Write JSON with mode 0600 by way of a temporary file, so that a reader never sees half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.touch(mode=0o600)
    temporary.write_text(json.dumps(values, indent=2))
    temporary.replace(path)
