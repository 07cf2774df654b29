"""How many trainings may run concurrently: the Prefect server's limit `gpu`, and a limit of one for each GPU."""

from __future__ import annotations

from wgan.prefect_server.client import Answer, PrefectServer, Rejected
from wgan.settings import Settings

LIMIT = "gpu"
ROUTE = "v2/concurrency_limits/"


class _Limit(Answer):
    limit: int


def ensure_gpu_slots(server: PrefectServer, count: int, limit: str = LIMIT) -> None:
    """Create the limit with `count` slots unless it exists, whatever its size."""
    if server.find(_Limit, ROUTE + limit) is None:
        _create(server, count, limit)


def set_gpu_slots(server: PrefectServer, count: int) -> None:
    """Let `count` trainings run concurrently from now on; trainings already running continue."""
    found = server.find(_Limit, ROUTE + LIMIT)
    if found is None:
        _create(server, count, LIMIT)
    elif found.limit != count:
        server.send("PATCH", ROUTE + LIMIT, limit=count)


def size_gpu_slots(server: PrefectServer, settings: Settings) -> None:
    """Create the limit with `settings.gpu_slots`; an existing one is resized only if WGAN_GPU_SLOTS is set.

    Otherwise the next start would overwrite what `wgan schedule apply` set.
    """
    resize = "gpu_slots" in settings.model_fields_set
    (set_gpu_slots if resize else ensure_gpu_slots)(server, settings.gpu_slots)


def _create(server: PrefectServer, count: int, limit: str) -> None:
    try:
        server.send("POST", ROUTE, name=limit, limit=count)
    except Rejected:
        if server.find(_Limit, ROUTE + limit) is None:  # else another process has just created it
            raise
