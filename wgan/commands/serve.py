"""`wgan serve`: serves images of the versions with the alias champion."""

from __future__ import annotations

from typing import Annotated

import typer


def serve(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            help="Registered models, the default first; none: WGAN_SERVE_MODELS, else all that have the alias.",
            show_default=False,
        ),
    ] = None,
    alias: Annotated[str, typer.Option(help="Alias to follow.")] = "champion",
    host: Annotated[str | None, typer.Option(help="Address to listen on; default: WGAN_SERVE_HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port; 0: any free one; default: WGAN_SERVE_PORT.", min=0, max=65535)
    ] = None,
    challenger: Annotated[
        str | None, typer.Option(help="off, header, split or shadow; default: WGAN_SERVE_CHALLENGER.")
    ] = None,
    percent: Annotated[
        float | None, typer.Option(help="Share of requests for split or shadow.", min=0, max=100)
    ] = None,
    new_api_key: Annotated[
        bool, typer.Option("--new-api-key", help="Print a fresh API key and its hash for the settings; serve nothing.")
    ] = False,
) -> None:
    """Serve images of registered models and follow their alias; Ctrl-C stops it. Logs are JSON on standard error."""
    from wgan.commands.extras import require_extra
    from wgan.errors import UsageError
    from wgan.settings import load_settings

    if new_api_key:
        from wgan.serving.keys import new_key

        key, digest = new_key()
        print(f"key   {key}\nhash  {digest}")
        return
    if any(not name.strip() for name in models or ()):
        raise UsageError("a model's name is empty: give one that `wgan models` lists, or none for all with a champion.")
    given = {
        "serve_host": host, "serve_port": port, "serve_challenger": challenger, "serve_challenger_percent": percent,
    }  # fmt: skip
    settings = load_settings(**{name: value for name, value in given.items() if value is not None})
    require_extra("serve")
    from wgan.serving.server import serve as serve_until_told

    names = tuple(dict.fromkeys(models or settings.models_to_serve))
    what = ", ".join(f"{name}@{alias}" for name in names) or f"every model with a {alias}"
    serve_until_told(names, alias, settings, lambda address: print(f"Serving {what} at {address}", flush=True))
