"""`GET /v1/models` and `/v1/models/NAME`: which models are served here, and how it stands with each."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request

from wgan.serving.chosen import chosen, the_named
from wgan.serving.schemas import ModelList, ModelState, error_responses
from wgan.serving.service import Service
from wgan.serving.states import model_list, model_state


def models_routes(service: Service) -> APIRouter:
    """The routes that list."""
    router = APIRouter(tags=["models"])
    known = service.keys.required  # who gets here has shown a key then

    @router.get("/v1/models", responses=error_responses(401), summary="The models that are served")
    async def models() -> ModelList:
        """Each with its name, its version, whether it draws, and what is stale and why. The default comes first."""
        return model_list(service.catalogue, known)

    @router.get(
        "/v1/models/{model}",
        responses=error_responses(401, 404, 422),
        dependencies=[Depends(the_named(service.catalogue))],
        summary="How it stands with a model",
    )
    async def one_model(request: Request) -> ModelState:
        """Answers with and without a version to draw with; 404 for a name that is not served here."""
        return model_state(chosen(request), known)

    return router
