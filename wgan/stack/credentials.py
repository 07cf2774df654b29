"""Files in the home folder that hold secrets: generated once, readable only by their owner."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from wgan.connection_file import CONNECTION_FILE
from wgan.errors import WganError
from wgan.settings import Settings, embedded_addresses

CREDENTIALS_FILE = "credentials.json"


PREFECT_USER = "wgan"


@dataclass(frozen=True)
class Credentials:
    """Key pair of the embedded S3 server, Prefect's `user:password`, and the key that signs objects in the bucket."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    prefect_login: str = field(repr=False)
    signing_key: str = field(default="", repr=False)


NOBODY = Credentials("", "", "")
"""Placeholder for queries that need no credentials."""


def ensure_credentials(home: Path) -> Credentials:
    """Read the home's credentials; missing ones are generated.

    Raises `WganError` if the file is damaged.
    """
    path = home / CREDENTIALS_FILE
    try:
        known = json.loads(path.read_bytes()) if path.exists() else {}
        credentials = Credentials(**{**_generated(), **known})
        if not all(isinstance(value, str) for value in asdict(credentials).values()):
            raise TypeError("not names and texts")
    except (ValueError, TypeError, RecursionError):
        raise WganError(f"{path} is damaged: delete it, and the next `wgan up` generates new credentials.") from None
    if asdict(credentials) != known:
        write_private(path, asdict(credentials))
    return credentials


def _generated() -> dict[str, str]:
    return {
        "access_key_id": secrets.token_urlsafe(15),
        "secret_access_key": secrets.token_urlsafe(30),
        "prefect_login": f"{PREFECT_USER}:{secrets.token_hex(20)}",
        "signing_key": secrets.token_urlsafe(30),
    }


def write_connection(settings: Settings, credentials: Credentials) -> None:
    """Write the addresses of this home's embedded servers; `wgan.settings.load_settings` reads them."""
    write_private(settings.home.resolve() / CONNECTION_FILE, _connection(settings, credentials))


def connected(settings: Settings, credentials: Credentials) -> Settings:
    """The settings with the addresses and credentials of the embedded servers."""
    values: dict[str, Any] = _connection(settings, credentials)
    secret = ("s3_secret_access_key", "prefect_auth_string", "signing_key")
    hidden = {name: SecretStr(values.pop(name)) for name in secret}
    return settings.model_copy(update={**values, **hidden})


def _connection(settings: Settings, credentials: Credentials) -> dict[str, str]:
    serving = {"serving_urls": f"http://127.0.0.1:{settings.serve_port}"} if settings.serve else {}
    return {
        **embedded_addresses(settings),
        **serving,
        "s3_access_key_id": credentials.access_key_id,
        "s3_secret_access_key": credentials.secret_access_key,
        "prefect_auth_string": credentials.prefect_login,
        "signing_key": credentials.signing_key,
    }


def write_private(path: Path, values: Any) -> None:
    """Write JSON as `write_text_private` does."""
    write_text_private(path, json.dumps(values, indent=2))


def write_text_private(path: Path, text: str) -> None:
    """Write text with mode 0600 atomically, through a temporary file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.touch(mode=0o600)
    temporary.write_text(text)
    temporary.replace(path)
