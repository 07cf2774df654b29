"""`wgan init-env`: the secrets of the containers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def init_env(
    file: Annotated[Path, typer.Argument(help="File to write; compose reads `.env` beside compose.yaml.")] = Path(
        ".env"
    ),
) -> None:
    """Write random secrets for `infra/compose.yaml` into a new file (mode 0600); an existing one is left alone."""
    from wgan.env_file import write_env_file

    write_env_file(file)
    print(f"{file} holds new secrets (mode 0600). `podman-compose up -d` in its folder starts the services.")
