"""The ASGI application: routes, wrapped in limits, authentication, CORS, HEAD and instrumentation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import Depends, FastAPI
from starlette.middleware.cors import CORSMiddleware

from wgan import __version__
from wgan.serving.authentication import Authentication
from wgan.serving.errors import add_error_handlers
from wgan.serving.head import HeadRequests
from wgan.serving.infer import ALIAS_HEADER, CLIENT_HEADER, MODEL_HEADER, SEED_HEADER, VERSION_HEADER
from wgan.serving.instrumentation import UNLOGGED_PATHS, Instrumentation
from wgan.serving.limits import BodyLimits
from wgan.serving.model_choice import the_default, the_named
from wgan.serving.own_names import OwnNames
from wgan.serving.routes_images import image_routes
from wgan.serving.routes_model import model_routes
from wgan.serving.routes_models import models_routes
from wgan.serving.routes_operations import operation_routes
from wgan.serving.routes_overview import overview_routes
from wgan.serving.routes_page import page_routes
from wgan.serving.service import Service


def create_app(service: Service, names: tuple[str, ...] = ()) -> FastAPI:
    """The application of a service, for these host names (none: any); its lifespan runs queue and follower."""
    app = FastAPI(
        title="WGAN serving",
        summary=f"Images of registered models, each drawn by the version the registry calls {service.catalogue.alias}.",
        version=__version__,
        docs_url=None,  # both load scripts from a CDN; `/api` is a page of this package
        redoc_url=None,
        lifespan=_lifespan(service),
        # If the process sends traces, FastAPI opens the span of a request; polls would drown the others.
        telemetry={"operation_spans": False, "exclude": lambda scope: scope.get("path") in UNLOGGED_PATHS},
    )
    for routes in (image_routes, model_routes):
        app.include_router(routes(service), prefix="/v1", dependencies=[Depends(the_default(service.catalogue))])
        named = [Depends(the_named(service.catalogue))]
        app.include_router(routes(service), prefix="/v1/models/{model}", dependencies=named)
    for others in (models_routes, overview_routes, operation_routes, page_routes):
        app.include_router(others(service))
    add_error_handlers(app)
    app.add_middleware(BodyLimits, settings=service.settings)
    app.add_middleware(Authentication, service=service)
    origins = [origin.strip() for origin in service.settings.serve_cors_origins.split(",") if origin.strip()]
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "X-API-Key", "Content-Type", ALIAS_HEADER, CLIENT_HEADER],
            expose_headers=[VERSION_HEADER, ALIAS_HEADER, MODEL_HEADER, SEED_HEADER, "X-Request-ID", "Retry-After"],
        )
    if names:
        app.add_middleware(OwnNames, names=names)
    app.add_middleware(HeadRequests)
    app.add_middleware(Instrumentation, service=service)
    return app


def _lifespan(service: Service):  # type: ignore[no-untyped-def]  # FastAPI's own type is a union of callables
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        models = asyncio.create_task(service.catalogue.run(), name="models")
        try:
            yield
        finally:
            for task in (models, *service.background.tasks):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await service.overview.close()
            await service.encoder.close()

    return lifespan
