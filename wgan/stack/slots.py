"""How many trainings may run at the same time: the embedded Prefect server's limit `gpu`."""

from __future__ import annotations

from wgan.errors import WganError
from wgan.settings import Settings
from wgan.stack.prefect_login import login_headers

LIMIT = "gpu"
ANSWER_SECONDS = 30.0


def size_gpu_slots(settings: Settings) -> None:
    """Create the limit with `settings.gpu_slots`; one that is there is resized only where WGAN_GPU_SLOTS is set.

    Otherwise what `wgan schedule apply` set would be gone at the next start. Raises `WganError`.
    """
    import httpx  # `wgan status` does not wait for it

    slots = {"limit": settings.gpu_slots}
    try:
        with httpx.Client(
            base_url=settings.prefect_api_url, headers=login_headers(settings), timeout=ANSWER_SECONDS, trust_env=False
        ) as client:
            found = client.get(f"/v2/concurrency_limits/{LIMIT}").status_code == httpx.codes.OK
            if not found:
                client.post("/v2/concurrency_limits/", json={"name": LIMIT, **slots}).raise_for_status()
            elif "gpu_slots" in settings.model_fields_set:
                client.patch(f"/v2/concurrency_limits/{LIMIT}", json=slots).raise_for_status()
    except httpx.HTTPError as error:
        raise WganError(f"the Prefect server does not take the number of GPU slots ({error}).") from None
