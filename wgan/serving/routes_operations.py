"""`/healthz`, `/readyz`, `/metrics`, and MLflow's webhook: for operating the server."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from wgan.serving.authentication import sent_key
from wgan.serving.errors import error_response
from wgan.serving.schemas import Alive, Readiness, WebhookResult, error_responses
from wgan.serving.service import Service
from wgan.serving.states import readiness
from wgan.serving.webhook import model_of


def operation_routes(service: Service) -> APIRouter:
    """The routes of the process itself."""
    router = APIRouter(tags=["operation"])

    @router.get("/healthz", summary="Whether the process works")
    async def healthz() -> Alive:
        """Answers while the process is running, with or without a model."""
        return Alive(status="alive")

    @router.get(
        "/readyz",
        response_model=Readiness,
        responses={503: {"model": Readiness, "description": "No model yet."}},
        summary="Whether images can be drawn, and what is stale and why",
    )
    async def readyz(request: Request) -> Response:
        """200 once every model that has a version has loaded it, and from then on while any is loaded; else 503.

        A stale model is still served: the reasons are in the body.

        Local paths are included only for clients that send a valid key.
        """
        known = service.keys.required and service.keys.accepts(sent_key(request.headers))
        found = readiness(service.catalogue, with_paths=known)
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
        """A genuine delivery triggers a poll of the registry; its content is not trusted."""
        if service.webhook is None:
            return error_response(404, "no-webhook", "no webhook is expected: WGAN_SERVE_WEBHOOK_SECRET is not set.")
        body = await request.body()
        outcome = service.webhook.check(request.headers, body)
        service.metrics.hooks.labels(outcome).inc()
        if outcome == "refused":
            return error_response(401, "signature", "the delivery is not signed with the secret, or too old.")
        if outcome == "accepted":
            service.catalogue.poll_now(model_of(body))
        return JSONResponse(WebhookResult(status="polling" if outcome == "accepted" else "known already").model_dump())

    return router
