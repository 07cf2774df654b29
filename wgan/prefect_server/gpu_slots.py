"""How many trainings may run concurrently: the Prefect server's limit `gpu`."""

from __future__ import annotations

from wgan.prefect_server.client import Answer, NotTaken, PrefectServer
from wgan.settings import Settings

LIMIT = "gpu"
ROUTE = f"v2/concurrency_limits/{LIMIT}"


class _Limit(Answer):
    limit: int


def ensure_gpu_slots(server: PrefectServer, count: int) -> None:
    """Create the limit with `count` slots unless it exists, whatever its size."""
    if server.find(_Limit, ROUTE) is None:
        _create(server, count)


def set_gpu_slots(server: PrefectServer, count: int) -> None:
    """Let `count` trainings run concurrently from now on; trainings already running continue."""
    found = server.find(_Limit, ROUTE)
    if found is None:
        _create(server, count)
    elif found.limit != count:
        server.tell("PATCH", ROUTE, limit=count)


def size_gpu_slots(server: PrefectServer, settings: Settings) -> None:
    """Create the limit with `settings.gpu_slots`; an existing one is resized only if WGAN_GPU_SLOTS is set.

    Otherwise the next start would overwrite what `wgan schedule apply` set.
    """
    resize = "gpu_slots" in settings.model_fields_set
    (set_gpu_slots if resize else ensure_gpu_slots)(server, settings.gpu_slots)


def _create(server: PrefectServer, count: int) -> None:
    try:
        server.tell("POST", "v2/concurrency_limits/", name=LIMIT, limit=count)
    except NotTaken:
        if server.find(_Limit, ROUTE) is None:  # else another process has just created it
            raise
