"""`wgan listen`: an object store's notifications start the schedules that read from it."""

from __future__ import annotations

from typing import Annotated

import typer


def listen(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0: any free one.", min=0, max=65535)] = 8090,
) -> None:
    """Start the schedules with a condition when S3 says that their data has changed; Ctrl-C stops it.

    The object store sends notifications with the secret WGAN_LISTEN_TOKEN. A burst of them counts as one.
    """
    import logging

    from wgan.commands.extras import require_extra
    from wgan.settings import load_settings

    settings = load_settings()
    require_extra("serve")
    from wgan.listening.server import listen_for_notifications

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("wgan.listening").setLevel(logging.INFO)
    listen_for_notifications(
        host, port, settings, lambda address: print(f"Notifications are taken at {address}", flush=True)
    )
