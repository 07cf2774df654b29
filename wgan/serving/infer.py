"""From a request to images: which version draws, for how long, and for whom nobody draws any more."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from fastapi import Request
from numpy.typing import NDArray

from wgan.errors import WganError
from wgan.serving.batching import NotFinite, QueueFull
from wgan.serving.errors import ClientLeft, DeadlinePassed
from wgan.serving.models import LoadedModel, Role, choose, shadow_for
from wgan.serving.service import Service

ALIAS_HEADER = "X-WGAN-Alias"
VERSION_HEADER = "X-WGAN-Version"
MODEL_HEADER = "X-WGAN-Model"
SEED_HEADER = "X-WGAN-Seed"

log = logging.getLogger("wgan.serving")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Drawn:
    """Images of one version, and nothing of another."""

    images: NDArray[np.uint8]
    model: LoadedModel
    alias: str

    @property
    def headers(self) -> dict[str, str]:
        """What every answer says of its origin."""
        return {VERSION_HEADER: str(self.model.version.version), ALIAS_HEADER: self.alias}


async def draw(request: Request, service: Service, make_latents: Callable[[LoadedModel], NDArray[np.float32]]) -> Drawn:
    """Choose the version, draw `make_latents(model)` with it, all of it with that one.

    Raises `UnknownAlias`, `NoModel`, `QueueFull`, `NotFinite`, `ClientLeft`, `DeadlinePassed`.
    """
    settings, models = service.settings, service.follower.models
    mode, percent = settings.serve_challenger, settings.serve_challenger_percent
    model, alias = choose(models, request.headers.get(ALIAS_HEADER), mode, percent)
    latents = make_latents(model)
    request.state.drawn = {"version": model.version.version, "alias": alias, "images": len(latents)}
    beside = shadow_for(models, alias, mode, percent)
    role: Role = "served" if alias == models.alias else "challenger"
    with model.used():
        try:
            images = await _while_wanted(
                request, _measured(service, model, role, latents), settings.serve_request_seconds
            )
        except QueueFull:
            service.metrics.rejected.labels("queue-full").inc()
            raise
    if beside is not None and beside is not model and beside.engine.latent_dim == model.engine.latent_dim:
        service.background.start(_unseen(service, beside, latents))
    return Drawn(images, model, alias)


async def encoded(service: Service, make: Callable[[], Result]) -> Result:
    """Run an encoding in a thread of its own, so that other requests go on."""
    return await asyncio.get_running_loop().run_in_executor(service.encoders, make)


async def _measured(
    service: Service, model: LoadedModel, role: Role, latents: NDArray[np.float32]
) -> NDArray[np.uint8]:
    metrics, labels = service.metrics, (str(model.version.version), role)
    started = time.perf_counter()
    try:
        images = await service.batcher.draw(model.engine, latents, unseen=role == "shadow")
    except (QueueFull, NotFinite):
        raise
    except WganError:
        metrics.version_failures.labels(*labels).inc()
        raise
    metrics.version_seconds.labels(*labels).observe(time.perf_counter() - started)
    metrics.version_requests.labels(*labels).inc()
    metrics.images.labels(*labels).inc(len(images))
    return images


async def _unseen(service: Service, model: LoadedModel, latents: NDArray[np.float32]) -> None:
    """The same latents with the challenger, for its metrics alone."""
    with model.used():
        try:
            await _measured(service, model, "shadow", latents)
        except QueueFull:
            service.metrics.rejected.labels("shadow").inc()
        except WganError as error:
            log.warning("the shadow failed", extra={"fields": {"version": model.version.version, "reason": str(error)}})


async def _while_wanted(request: Request, work: Coroutine[Any, Any, Result], seconds: float) -> Result:
    """The work's result, unless the client leaves or the time is up: then the work is cancelled."""
    job = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        done, _ = await asyncio.wait({job, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if job in done:
            return job.result()
        if gone in done:
            raise ClientLeft
        raise DeadlinePassed(f"the images were not drawn within {seconds:g} s: ask for fewer, or later.")
    finally:
        job.cancel()
        gone.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
