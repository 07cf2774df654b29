"""The servers' pages, and opening them in a browser."""

from __future__ import annotations

import html
import webbrowser
from contextlib import suppress

from wgan.errors import UsageError, WganError
from wgan.settings import Settings
from wgan.stack.credentials import write_text_private
from wgan.stack.home import prepare_home
from wgan.stack.prefect_login import prefect_link

REDIRECT = """<!doctype html>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={address}">
<title>wgan</title>
<a href="{address}">Continue</a>
"""


def page_address(page: str, settings: Settings) -> str:
    """The URL of Prefect, signed in, of MLflow or of the playground. Raises `UsageError` if nothing is serving."""
    if page == "mlflow":
        return _experiment(settings) or settings.mlflow_link("/experiments")
    if page == "prefect":
        return prefect_link(settings)
    addresses = [address.strip() for address in settings.serving_urls.split(",") if address.strip()]
    if not addresses:
        raise UsageError("no serving process is known: set WGAN_SERVING_URLS, or start one with `wgan up`.")
    return f"{addresses[0].rstrip('/')}/playground"


def _experiment(settings: Settings) -> str | None:
    """The URL of the retrainings' experiment with the columns that matter; None if there is none, or no answer."""
    from wgan.mlflow_api.requests import Mlflow
    from wgan.mlflow_api.runs import SHARED_VIEW, Runs

    with suppress(WganError), Mlflow(settings) as server:
        found = Runs(server).experiment(settings.mlflow_experiment)
        if found is not None:
            link = settings.mlflow_link(f"/experiments/{found.experiment_id}/runs")
            return f"{link}&viewStateShareKey={SHARED_VIEW}"
    return None


def open_page(address: str, settings: Settings) -> bool:
    """Open the URL in the browser; returns whether there is one.

    Uses a redirect file that only its owner can read: every user of the machine can read a process's arguments, and the
    URL may contain a login.
    """
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    home = settings.home.resolve()
    prepare_home(home)
    file = home / "open.html"
    write_text_private(file, REDIRECT.format(address=html.escape(address, quote=True)))
    with suppress(webbrowser.Error):
        return browser.open(file.as_uri())
    return False
