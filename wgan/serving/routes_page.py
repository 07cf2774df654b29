"""The front page at `/`, the playground, and the API page at `/api`: files of this package that need no network."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, HTMLResponse, Response

from wgan.serving.errors import error_response
from wgan.serving.service import Service

PAGE = Path(str(resources.files("wgan.serving") / "page"))
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript"}
INCLUDE = re.compile(r"<!-- include ([\w.-]+) -->\n")


def page_routes(service: Service) -> APIRouter:
    """The pages and their assets, independent of the served models."""
    router = APIRouter(include_in_schema=False)
    parts = {path.name: path for path in PAGE.iterdir() if path.suffix in MEDIA_TYPES}
    pages = {name: _assembled(name) for name in ("overview.html", "playground.html", "reference.html")}

    @router.get("/")
    async def overview() -> Response:
        return HTMLResponse(pages["overview.html"])

    @router.get("/playground")
    async def playground() -> Response:
        return HTMLResponse(pages["playground.html"])

    @router.get("/api")
    async def reference() -> Response:
        return HTMLResponse(pages["reference.html"])

    @router.get("/page/{name}")
    async def part(name: str) -> Response:
        if name not in parts:
            return error_response(404, "http", "there is no such part of the page.")
        return FileResponse(parts[name], media_type=MEDIA_TYPES[parts[name].suffix])

    return router


def _assembled(name: str) -> str:
    """A page with the parts that all pages share in place of its `include` comments."""
    page = (PAGE / name).read_text(encoding="utf-8")
    return INCLUDE.sub(lambda found: (PAGE / found[1]).read_text(encoding="utf-8"), page)
