"""Answers a request: chooses the version, checks the cost, waits for its turn, and stops if the client leaves."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from fastapi import Request, Response
from numpy.typing import NDArray
from starlette.types import Receive, Scope, Send

from wgan.errors import WganError
from wgan.serving.batching import Batcher, NotFinite, QueueFull
from wgan.serving.encoding import Encoding, check_side
from wgan.serving.errors import ClientLeft, DeadlinePassed
from wgan.serving.model_choice import chosen
from wgan.serving.models import LoadedModel, Role, choose, shadow_for
from wgan.serving.service import Service
from wgan.serving.workload import Cost
from wgan.telemetry import span

ALIAS_HEADER = "X-WGAN-Alias"
VERSION_HEADER = "X-WGAN-Version"
MODEL_HEADER = "X-WGAN-Model"
SEED_HEADER = "X-WGAN-Seed"
CLIENT_HEADER = "X-WGAN-Client"
"""Names the client: in a canary, all its requests get the same version."""
SEND_BYTES = 2**16
"""Bytes of a response passed to the server at a time, so that unread data still counts here."""

log = logging.getLogger("wgan.serving")
Result = TypeVar("Result")


@dataclass(frozen=True)
class ImageQuery:
    """What a request asks for."""

    count: int
    name: str
    """The name of the count in the request."""
    make_latents: Callable[[LoadedModel], NDArray[np.float32]]
    encoding: Encoding
    identity: str
    """Equal for equal requests; requests of one client have the client's."""
    seed: int | None = None


class HeldResponse(Response):
    """A response whose memory is counted until its last byte is sent."""

    def __init__(self, body: bytes, media_type: str, headers: dict[str, str], held: AsyncExitStack) -> None:
        super().__init__(body, media_type=media_type, headers=headers)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        async with self._held:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            view = memoryview(self.body)
            for start in range(0, len(view), SEND_BYTES):
                block = view[start : start + SEND_BYTES]
                more = start + SEND_BYTES < len(view)
                await send({"type": "http.response.body", "body": bytes(block), "more_body": more})


async def answer(request: Request, service: Service, query: ImageQuery) -> Response:
    """Choose the version, generate all the requested images with it, encode them.

    Raises `UsageError`, `UnknownAlias`, `NoModel`, `QueueFull`, `NotFinite`, `TooLargePicture`, `ClientLeft`,
    `DeadlinePassed`.
    """
    entry = chosen(request)
    settings, models = service.settings, entry.follower.models
    mode, percent = settings.serve_challenger, settings.serve_challenger_percent
    identity = request.headers.get(CLIENT_HEADER) or query.identity
    model, alias = choose(models, request.headers.get(ALIAS_HEADER), mode, percent, identity)
    shape = model.engine.image_shape
    most = service.workload.max_count(shape, settings.serve_max_count, query.encoding.scale)
    cost = Cost.of(min(query.count, most + 1), shape, query.encoding, settings.serve_max_batch)
    service.workload.check(query.name, query.count, cost, most)
    check_side(query.count, shape[1], query.encoding)
    latents = query.make_latents(model)
    request.state.drawn = {"model": entry.name, "version": model.version.version, "alias": alias, "images": query.count}
    held = AsyncExitStack()
    try:
        with span("admission"):
            await held.enter_async_context(service.workload.admitted(cost))
        held.enter_context(model.used())
        work = _made(service, entry.batcher, model, _role(alias, models.alias), latents, query, cost)
        body = await _while_wanted(request, work, settings.serve_request_seconds)
    except BaseException as error:
        if isinstance(error, QueueFull):
            service.metrics.rejected.labels("queue-full").inc()
        await held.aclose()
        raise
    beside = shadow_for(models, alias, mode, percent)
    if beside is not None and beside is not model and beside.engine.latent_dim == model.engine.latent_dim:
        service.background.start(_shadowed(service, entry.batcher, beside, latents))
    headers = {VERSION_HEADER: str(model.version.version), ALIAS_HEADER: alias, "Vary": "Accept"}
    if query.seed is not None:
        headers[SEED_HEADER] = str(query.seed)
    return HeldResponse(body, query.encoding.media_type, headers, held)


async def _made(
    service: Service,
    batcher: Batcher,
    model: LoadedModel,
    role: Role,
    latents: NDArray[np.float32],
    query: ImageQuery,
    cost: Cost,
) -> bytes:
    facts = {
        "model": model.version.model, "version": model.version.version, "count": query.count, "seed": query.seed,
    }  # fmt: skip
    async with service.workload.turn(cost):
        images = await _measured(service, batcher, model, role, latents)
        with span("encoding", media_type=query.encoding.media_type) as traced:
            body = await service.encoder.encode(images, query.encoding, facts, cost)
            traced.note(bytes=len(body))
        return body


async def _measured(
    service: Service, batcher: Batcher, model: LoadedModel, role: Role, latents: NDArray[np.float32]
) -> NDArray[np.uint8]:
    metrics, labels = service.metrics, (model.version.model, str(model.version.version), role)
    started = time.perf_counter()
    version = model.version
    try:
        with span("drawing", model=version.model, version=version.version, role=role, images=len(latents)):
            images = await batcher.draw(model.engine, latents, shadow=role == "shadow")
    except (QueueFull, NotFinite):
        raise
    except WganError:
        metrics.version_failures.labels(*labels).inc()
        raise
    metrics.version_seconds.labels(*labels).observe(time.perf_counter() - started)
    metrics.version_requests.labels(*labels).inc()
    metrics.images.labels(*labels).inc(len(images))
    return images


async def _shadowed(service: Service, batcher: Batcher, model: LoadedModel, latents: NDArray[np.float32]) -> None:
    """Run the same latents through the challenger, only for its metrics."""
    with model.used():
        try:
            await _measured(service, batcher, model, "shadow", latents)
        except QueueFull:
            service.metrics.rejected.labels("shadow").inc()
        except WganError as error:
            fields = {"model": model.version.model, "version": model.version.version, "reason": str(error)}
            log.warning("the shadow failed", extra={"fields": fields})


def _role(alias: str, followed: str) -> Role:
    return "served" if alias == followed else "challenger"


async def _while_wanted(request: Request, work: Coroutine[Any, Any, Result], seconds: float) -> Result:
    """The work's result; the work is cancelled if the client disconnects or the deadline passes."""
    job = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        done, _ = await asyncio.wait({job, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if job in done:
            return job.result()
        if gone in done:
            raise ClientLeft
        raise DeadlinePassed(f"the images were not generated within {seconds:g} s: ask for fewer, or try again later.")
    finally:
        job.cancel()
        gone.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
