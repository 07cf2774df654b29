"""The playground at `/` and the API page at `/api`: static files of this package that need no network."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, Response

from wgan.serving.errors import error_response
from wgan.serving.service import Service

PAGE = Path(str(resources.files("wgan.serving") / "page"))
MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}


def page_routes(service: Service) -> APIRouter:
    """The pages and their assets, independent of the served models."""
    router = APIRouter(include_in_schema=False)
    parts = {path.name: path for path in PAGE.iterdir() if path.suffix in MEDIA_TYPES}

    @router.get("/")
    async def playground() -> Response:
        return FileResponse(parts["index.html"], media_type=MEDIA_TYPES[".html"])

    @router.get("/api")
    async def reference() -> Response:
        return FileResponse(parts["reference.html"], media_type=MEDIA_TYPES[".html"])

    @router.get("/page/{name}")
    async def part(name: str) -> Response:
        if name not in parts:
            return error_response(404, "http", "there is no such part of the page.")
        return FileResponse(parts[name], media_type=MEDIA_TYPES[parts[name].suffix])

    return router
