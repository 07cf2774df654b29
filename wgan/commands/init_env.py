"""`wgan init-env`: random secrets for `infra/compose.yaml`, in a file that only its owner can read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from wgan.errors import UsageError

PASSWORDS = {
    "POSTGRES_PASSWORD": "Postgres's superuser: creates the two databases, and for maintenance",
    "PREFECT_DB_PASSWORD": "Prefect's role, owner of Prefect's database",
    "MLFLOW_DB_PASSWORD": "MLflow's role, owner of MLflow's database",
    "REDIS_PASSWORD": "messages between Prefect's two processes",
    "MLFLOW_ADMIN_PASSWORD": "MLflow's user admin: for people",
    "MLFLOW_PIPELINE_PASSWORD": "MLflow's user pipeline: writes its own runs and models",
    "MLFLOW_SERVING_PASSWORD": "MLflow's user serving: reads",
    "MLFLOW_SECRET_KEY": "signs MLflow's forms",
    "SIGNING_KEY": "signs what the pipeline writes into the bucket and reads again",
    "RAY_AUTH_TOKEN": "nodes of Ray to each other, and those who start work on them (profile ray)",
    "GRAFANA_ADMIN_PASSWORD": "Grafana's user admin (profile observability)",
}
"""Variables that hold one random word, and its purpose."""
S3_IDENTITIES = {
    "S3_ADMIN": "makes the bucket, and nothing else holds it",
    "S3_PIPELINE": "reads and writes the bucket",
    "S3_MLFLOW": "reads and writes MLflow's prefix of it",
}
"""Prefixes of variables that hold a key pair."""
PREFECT_USER = "wgan"
PREFECT_READER = "reader"
SECRET_BYTES = 32


def init_env(
    file: Annotated[Path, typer.Argument(help="File to write; compose reads `.env` beside compose.yaml.")] = Path(
        ".env"
    ),
) -> None:
    """Write random secrets for `infra/compose.yaml` into a new file (mode 0600); an existing one is left alone."""
    write_env_file(file)
    print(f"{file} holds new secrets (mode 0600). `podman-compose up -d` in its folder starts the services.")


def new_env_file() -> str:
    """The text of a `.env` with new random secrets: 256 bits each, in characters that need no quoting."""
    lines = ["# Secrets of the containers, made by `wgan init-env`. Keep them out of version control and of images."]
    for name, purpose in PASSWORDS.items():
        lines += [f"# {purpose}", f"{name}={_word()}"]
    lines += ["# Prefect's API and page, as user:password", f"PREFECT_AUTH_STRING={PREFECT_USER}:{_word()}"]
    lines += ["# The same for serving's front page, which may list runs and deployments and do nothing else"]
    lines += [f"PREFECT_READER_AUTH_STRING={PREFECT_READER}:{_word()}"]
    for name, purpose in S3_IDENTITIES.items():
        lines += [f"# S3 key that {purpose}"]
        lines += [f"{name}_ACCESS_KEY_ID={secrets.token_hex(10)}", f"{name}_SECRET_ACCESS_KEY={_word()}"]
    return "\n".join(lines) + "\n"


def write_env_file(path: Path) -> None:
    """Write a new `.env` with mode 0600, atomically.

    Raises `UsageError` if the file exists, since the databases may use its secrets, or if it cannot be written.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(
            f"{path} already exists and is not overwritten, because databases and volumes may use its "
            "secrets: move it away first, or give another file."
        ) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}): name a file in a writable folder.") from None
    try:
        with os.fdopen(handle, "w") as file:
            os.fchmod(file.fileno(), 0o600)  # regardless of the umask
            file.write(new_env_file())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise UsageError(f"{path} cannot be written ({error.strerror}): free some space first.") from None


def _word() -> str:
    """A random hexadecimal word, which needs no quoting in a URL, a shell, YAML or an ini file."""
    return secrets.token_hex(SECRET_BYTES)
