"""`/healthz`, `/readyz`, `/metrics`, and MLflow's webhook: for those who run the server."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from wgan.serving.authentication import sent_key
from wgan.serving.errors import error_response
from wgan.serving.faults import without_paths
from wgan.serving.schemas import AliasState, Alive, Readiness, WebhookResult, error_responses
from wgan.serving.service import Service


def operation_routes(service: Service) -> APIRouter:
    """The routes of the process itself."""
    router = APIRouter(tags=["operation"])

    @router.get("/healthz", summary="Whether the process works")
    async def healthz() -> Alive:
        """Answers while the process works, with or without a model."""
        return Alive(status="alive")

    @router.get(
        "/readyz",
        response_model=Readiness,
        responses={503: {"model": Readiness, "description": "No model yet."}},
        summary="Whether there is a model, and what is stale and why",
    )
    async def readyz(request: Request) -> Response:
        """200 with a model to draw with, else 503. A stale model still draws: the reasons are in the body.

        This machine's paths are named only to those who send a valid key.
        """
        found = readiness(service, with_paths=service.keys.required and service.keys.accepts(sent_key(request.headers)))
        return JSONResponse(found.model_dump(mode="json"), 200 if found.ready else 503)

    @router.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **error_responses(401)},
        summary="Prometheus metrics",
    )
    async def metrics() -> Response:
        """Text format 0.0.4."""
        return Response(service.metrics.page(), media_type="text/plain; version=0.0.4")

    @router.post(
        "/hooks/mlflow", responses=error_responses(401, 404, 408, 413, 415), summary="MLflow's registry webhook"
    )
    async def mlflow_hook(request: Request) -> Response:
        """A genuine delivery is a hint to look at the registry now; what it says is not believed."""
        if service.webhook is None:
            return error_response(404, "no-webhook", "no webhook is expected: WGAN_SERVE_WEBHOOK_SECRET is not set.")
        outcome = service.webhook.check(request.headers, await request.body())
        service.metrics.hooks.labels(outcome).inc()
        if outcome == "refused":
            return error_response(401, "signature", "the delivery is not signed with the secret, or too old.")
        if outcome == "accepted":
            service.follower.poll_now()
        return JSONResponse(WebhookResult(status="polling" if outcome == "accepted" else "known already").model_dump())

    return router


def readiness(service: Service, with_paths: bool = False) -> Readiness:
    """What `/readyz` says."""
    follower, now = service.follower, time.monotonic()
    models, answered = follower.models, follower.last_answer
    aliases = {}
    for alias, state in follower.aliases.items():
        model, stale = models.under(alias), follower.stale(alias)
        aliases[alias] = AliasState(
            serving=model.version.version if model else None,
            wanted=state.wanted,
            failures=state.failures,
            version_faults=state.version_faults,
            fault=state.fault,
            stale=stale if stale is None or with_paths else without_paths(stale),
            retry_in=round(max(0.0, state.retry_at - now), 1) if state.failures else None,
        )
    reasons = [f"{alias}: {state.stale}" for alias, state in aliases.items() if state.stale]
    if follower.cache_problem is not None:
        problem = follower.cache_problem if with_paths else without_paths(follower.cache_problem)
        reasons.append(f"after a restart: {problem}")
    return Readiness(
        ready=models.main is not None,
        model=service.model,
        alias=models.alias,
        version=models.main.version.version if models.main else None,
        reason=" ".join(reasons) or None,
        aliases=aliases,
        registry_answered_seconds_ago=None if answered is None else round(now - answered, 1),
    )
