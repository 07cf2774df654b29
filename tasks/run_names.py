"""Names of flow runs that say what they did: `generator-digits seed 0 · version 3 promoted`."""

from __future__ import annotations

from contextlib import suppress

import httpx
from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException

BETWEEN = " · "


def name_flow_run(outcome: str) -> None:
    """Add the outcome to the name of the flow run in progress; the name is only informative, so failing is no error."""
    asked = str(runtime.flow_run.name).partition(BETWEEN)[0]  # a run that was resumed here has an outcome already
    with suppress(httpx.HTTPError, PrefectException), get_client(sync_client=True) as client:
        client.update_flow_run(runtime.flow_run.id, name=f"{asked}{BETWEEN}{outcome}")
