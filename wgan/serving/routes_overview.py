"""`GET /v1/overview`: what the front page shows."""

from __future__ import annotations

from fastapi import APIRouter

from wgan.serving.overview_records import Overview
from wgan.serving.schemas import error_responses
from wgan.serving.service import Service


def overview_routes(service: Service) -> APIRouter:
    """The route of the front page."""
    router = APIRouter(tags=["models"])
    known = service.keys.required  # then the client has already sent a valid key

    @router.get("/v1/overview", responses=error_responses(401), summary="Models, what is on the way, retrainings")
    async def overview() -> Overview:
        """Champions, versions on their way, the last retrainings and schedules, with links to MLflow and Prefect.

        MLflow and Prefect are asked at most every five seconds. If one does not answer, `problems` says so, and its
        part is as old as its last answer.
        """
        return await service.overview.overview(with_paths=known)

    return router
