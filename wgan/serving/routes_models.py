"""`GET /v1/models` and `/v1/models/NAME`: the served models, and the state of each."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request

from wgan.serving.model_choice import chosen, the_named
from wgan.serving.schemas import ModelList, ModelState, error_responses
from wgan.serving.service import Service
from wgan.serving.states import model_list, model_state


def models_routes(service: Service) -> APIRouter:
    """The routes that list models."""
    router = APIRouter(tags=["models"])
    known = service.keys.required  # then the client has already sent a valid key

    @router.get("/v1/models", responses=error_responses(401), summary="The models that are served")
    async def models() -> ModelList:
        """Each with its name, its version, whether it is ready, and what is stale and why. The default comes first."""
        return model_list(service.catalogue, known)

    @router.get(
        "/v1/models/{model}",
        responses=error_responses(401, 404, 422),
        dependencies=[Depends(the_named(service.catalogue))],
        summary="The state of a model",
    )
    async def one_model(request: Request) -> ModelState:
        """Answers even if no version is loaded; 404 for a model that is not served here."""
        return model_state(chosen(request), known)

    return router
