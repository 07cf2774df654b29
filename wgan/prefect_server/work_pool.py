"""The work pool where scheduled runs wait for a worker."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx

from wgan.prefect_server.client import Answer, PrefectServer, Rejected

POOL_TYPE = "process"
CLOSED_TEMPLATE: dict[str, Any] = {
    "job_configuration": {"stream_output": True},  # Prefect treats an empty one as missing
    "variables": {"type": "object", "properties": {}, "additionalProperties": False},
}


class _Pool(Answer):
    type: str
    base_job_template: dict[str, Any]


def ensure_work_pool(server: PrefectServer, name: str) -> None:
    """Create the workers' process work pool unless it exists; close an open one.

    A closed pool has no variables: neither a deployment nor a run can name a command, an environment or a folder.
    """
    route = f"work_pools/{quote(name, safe='', errors='replace')}"
    found = server.find(_Pool, route)
    if found is None:
        try:
            server.send("POST", "work_pools/", name=name, type=POOL_TYPE, base_job_template=CLOSED_TEMPLATE)
        except Rejected as error:
            if error.status != httpx.codes.CONFLICT:  # else another process has just created it
                raise
    elif found.type == POOL_TYPE and found.base_job_template != CLOSED_TEMPLATE:
        server.send("PATCH", route, base_job_template=CLOSED_TEMPLATE)
