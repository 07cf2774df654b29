"""Environment variables: the servers' addresses for clients, the settings of servers, and all telemetry switches."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from wgan.proxies import no_proxy_value
from wgan.settings import Settings

LOOPBACK = "127.0.0.1"
"""The only address the embedded servers listen on."""

STACK_MARK = "WGAN_STACK_HOME"
"""Set in every embedded server to its stack's home folder, to identify stray servers."""

TELEMETRY_OFF = {
    "DO_NOT_TRACK": "true",  # read by Prefect's client (prefect/_internal/analytics) and by MLflow
    "MLFLOW_DISABLE_TELEMETRY": "true",  # mlflow/telemetry/utils.py: client, server and the UI's own events
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",  # prefect/server/services/telemetry.py; the client asks the server too
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
}
"""Every component's switch; nanio has no telemetry."""

FOREIGN_PREFIXES = ("AWS_", "MLFLOW_", "_MLFLOW_", "NANIO_", "PREFECT_", "UVICORN_", "WGAN_")
"""Variables of the caller that would change how an embedded server runs or where it sends data."""


def client_environment(settings: Settings) -> dict[str, str]:
    """The variables that point Prefect, MLflow and boto3 at the configured servers, with telemetry off.

    Set them before any of these is imported: `os.environ.update(client_environment(settings))`.
    """
    environment = {
        **TELEMETRY_OFF,
        "MLFLOW_TRACKING_URI": settings.mlflow_tracking_uri,
        "MLFLOW_REGISTRY_URI": settings.mlflow_tracking_uri,
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # its default of 7 takes minutes; important data is resent by callers
        "PREFECT_API_URL": settings.prefect_api_url,
        "PREFECT_UI_URL": settings.prefect_page,
        "PREFECT_HOME": str(settings.home.resolve() / "prefect"),  # ignore the user's own Prefect profile
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "true",
        "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(settings.heartbeat_seconds),
        "AWS_DEFAULT_REGION": settings.s3_region,
        "AWS_ENDPOINT_URL_S3": settings.s3_endpoint_url,
        "MLFLOW_S3_ENDPOINT_URL": settings.s3_endpoint_url,
        # How long torch's threads (GNU OpenMP) spin before they sleep. By default they spin so long that,
        # with anything else on the cores (the servers, a browser), training was up to twenty times slower.
        "GOMP_SPINCOUNT": os.environ.get("GOMP_SPINCOUNT", "10000"),
    }
    if settings.s3_access_key_id and settings.s3_secret_access_key:
        environment["AWS_ACCESS_KEY_ID"] = settings.s3_access_key_id
        environment["AWS_SECRET_ACCESS_KEY"] = settings.s3_secret_access_key.get_secret_value()
    if settings.mlflow_username and settings.mlflow_password:
        environment["MLFLOW_TRACKING_USERNAME"] = settings.mlflow_username
        environment["MLFLOW_TRACKING_PASSWORD"] = settings.mlflow_password.get_secret_value()
    if settings.prefect_auth_string:
        environment["PREFECT_API_AUTH_STRING"] = settings.prefect_auth_string.get_secret_value()
    addresses = (settings.s3_endpoint_url, settings.mlflow_tracking_uri, settings.prefect_api_url)
    if any(urlsplit(address).hostname in (LOOPBACK, "localhost") for address in addresses):
        environment |= no_proxy_value(os.environ)
    return environment


def server_environment(home: Path, own: Mapping[str, str]) -> dict[str, str]:
    """The complete environment of an embedded server: the caller's, without harmful variables, and its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN_PREFIXES)}
    return {
        **inherited,
        **no_proxy_value(os.environ),
        **TELEMETRY_OFF,
        STACK_MARK: str(home),
        "PYTHONUNBUFFERED": "1",  # the log is complete if the server dies
        **own,
    }
