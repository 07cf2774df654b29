"""The status of a home's stack, seen from outside its process."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from wgan.connection_file import read_connection
from wgan.records import Record
from wgan.settings import Settings
from wgan.stack.credentials import NOBODY
from wgan.stack.processes import is_healthy, log_of, strays
from wgan.stack.servers import embedded_servers
from wgan.stack.state import is_locked, read_state


class ServiceStatus(Record):
    """One server."""

    name: str = Field(description="`s3`, `mlflow`, `prefect` or `serving`.")
    title: str
    url: str
    healthy: bool
    pid: int | None
    log: Path
    trouble: str | None = Field(description="Why it has no process, or had to be started again.")


class StackStatus(Record):
    """The servers of a home."""

    home: Path
    up: bool = Field(description="Whether a living process has started them.")
    healthy: bool = Field(description="Whether all of them are its servers and answer.")
    supervisor_pid: int | None
    services: tuple[ServiceStatus, ...]
    leftovers: tuple[int, ...] = Field(description="Processes that a killed `wgan up` left behind.")


def overruling(settings: Settings) -> list[tuple[str, str]]:
    """Variables that point the commands at other servers than the home's, or give another login.

    With ` to …` and the value, except for secrets.
    """
    embedded = read_connection(settings.home)
    found = [
        (f"WGAN_{name.upper()}", f" to {value}")
        for name in ("s3_endpoint_url", "mlflow_tracking_uri", "prefect_api_url")
        if name in embedded and (value := str(getattr(settings, name))) != embedded[name]
    ]
    login = settings.prefect_auth_string.get_secret_value() if settings.prefect_auth_string else None
    if "prefect_auth_string" in embedded and login not in (None, embedded["prefect_auth_string"]):
        found.append(("WGAN_PREFECT_AUTH_STRING", ""))
    return found


def stack_status(settings: Settings) -> StackStatus:
    """Ask every server of the home for its health; takes a few milliseconds for healthy ones."""
    home = settings.home.resolve()
    up = is_locked(home)
    state = read_state(home)
    running = {service.name: service for service in state.services} if up and state else {}
    services = []
    for server in embedded_servers(settings, NOBODY):
        known = running.get(server.name)
        services.append(
            ServiceStatus(
                name=server.name,
                title=server.title,
                url=known.url if known else server.url,
                healthy=known is not None and known.pid is not None and is_healthy(server.at(known.port)),
                pid=known.pid if known else None,
                log=log_of(server, home),
                trouble=known.trouble if known else None,
            )
        )
    return StackStatus(
        home=home,
        up=up,
        healthy=up and all(service.healthy for service in services),
        supervisor_pid=state.supervisor_pid if up and state else None,
        services=tuple(services),
        leftovers=() if up else tuple(process.pid for process in strays(home)),
    )
