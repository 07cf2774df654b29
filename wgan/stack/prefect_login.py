"""Passes the Prefect server's login to a browser in a link."""

from __future__ import annotations

from wgan.connection_file import read_connection
from wgan.guard import SIGN_IN, basic_token
from wgan.settings import Settings


def prefect_link(settings: Settings, page: str = "/") -> str:
    """URL of one of Prefect's pages for a person; the embedded server's also signs the browser in.

    The login is in the fragment, which browsers do not send. Another server's login is never put in a link: it may be
    shared, and links are printed.
    """
    if settings.prefect_auth_string is None or not _is_embedded(settings):
        return f"{settings.prefect_page}{page}"
    return f"{settings.prefect_page}{SIGN_IN}#{basic_token(settings.prefect_auth_string.get_secret_value())}&{page}"


def _is_embedded(settings: Settings) -> bool:
    embedded = read_connection(settings.home)
    login = settings.prefect_auth_string
    return (
        login is not None
        and embedded.get("prefect_api_url") == settings.prefect_api_url
        and embedded.get("prefect_auth_string") == login.get_secret_value()
    )
