"""`POST …/images`, `POST …/decode`, `GET …/interpolate`, below `/v1` and `/v1/models/NAME`."""

from __future__ import annotations

import hashlib
import secrets
from functools import partial
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Header, Query, Request, Response
from numpy.typing import NDArray
from pydantic import ValidationError

from wgan.errors import UsageError
from wgan.latents import draw_latents
from wgan.serving.encoding import JSON, LARGEST_SCALE, NPY, enlarged
from wgan.serving.errors import first_mistake
from wgan.serving.infer import ImageQuery, answer
from wgan.serving.latents import check_latents, parse_lists, parse_npy, walk
from wgan.serving.models import LoadedModel
from wgan.serving.negotiation import media_type_of, negotiate, negotiate_walk
from wgan.serving.schemas import (
    IMAGE_ERRORS,
    IMAGE_RESPONSES,
    LARGEST_SEED,
    SCALE_TEXT,
    Base64Images,
    DecodeRequest,
    ImagesRequest,
)
from wgan.serving.service import Service

RANDOM_SEEDS = 2**32
"""Seeds chosen by the server are below this, so that JavaScript can represent them exactly."""
AliasHeader = Annotated[
    str | None,
    Header(alias="X-WGAN-Alias", description="Whose images: `champion` (default) or `challenger`.", max_length=256),
]
ClientHeader = Annotated[
    str | None,
    Header(
        alias="X-WGAN-Client",
        description="Names the client, which then gets one version while a challenger draws a share of the requests.",
        max_length=256,
    ),
]


def image_routes(service: Service) -> APIRouter:
    """The routes that generate images, to be mounted below `/v1` and below each model."""
    router = APIRouter(tags=["images"])

    @router.post(
        "/images",
        responses={**IMAGE_RESPONSES, **IMAGE_ERRORS},
        response_class=Response,
        summary="Draw images from a seed",
    )
    async def images(
        body: ImagesRequest, request: Request, alias: AliasHeader = None, client: ClientHeader = None
    ) -> Response:
        """The same seed, count and version give the same bytes, whatever else is running at that moment."""
        encoding = enlarged(negotiate(body.format, body.layout, request.headers.get("accept")), body.scale)
        seed = secrets.randbelow(RANDOM_SEEDS) if body.seed is None else body.seed

        def latents(model: LoadedModel) -> NDArray[np.float32]:
            return draw_latents(seed, body.count, model.engine.latent_dim)

        return await answer(request, service, ImageQuery(body.count, "count", latents, encoding, f"{seed}", seed))

    @router.post(
        "/decode",
        responses={**IMAGE_RESPONSES, **IMAGE_ERRORS},
        response_class=Response,
        summary="Draw images from your own latents",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": DecodeRequest.model_json_schema()},
                    NPY: {"schema": {"type": "string", "format": "binary", "description": "float (N, z)"}},
                },
            }
        },
    )
    async def decode(request: Request, alias: AliasHeader = None, client: ClientHeader = None) -> Response:
        """Latents as rows of numbers in JSON, or as an array in numpy's .npy format; images in the same order."""
        body = await request.body()
        if media_type_of(request.headers.get("content-type", "")) == NPY:
            given, format, layout, scale = await service.encoder.in_thread(partial(parse_npy, body)), None, None, 1
        else:
            asked = await service.encoder.in_thread(partial(_decode_request, body))
            given, format, layout, scale = parse_lists(asked.latents), asked.format, asked.layout, asked.scale
        encoding = enlarged(negotiate(format, layout, request.headers.get("accept")), scale)

        def latents(model: LoadedModel) -> NDArray[np.float32]:
            check_latents(given, model.engine.latent_dim)
            return given

        count = len(given) if given.ndim else 0
        return await answer(
            request, service, ImageQuery(count, "latents", latents, encoding, hashlib.sha256(body).hexdigest())
        )

    @router.get(
        "/interpolate",
        responses={
            200: {
                "description": "A looping animation from the first image of one seed to that of another.",
                "content": {
                    **{
                        name: {"schema": {"type": "string", "format": "binary"}} for name in ("image/webp", "image/gif")
                    },
                    JSON: {"schema": Base64Images.model_json_schema()},
                },
            },
            **IMAGE_ERRORS,
        },
        response_class=Response,
        summary="Walk from one seed to another",
    )
    async def interpolate(
        request: Request,
        start: Annotated[int, Query(alias="from", ge=0, le=LARGEST_SEED, description="Seed.", examples=[1])],
        end: Annotated[int, Query(alias="to", ge=0, le=LARGEST_SEED, description="Seed.", examples=[2])],
        frames: Annotated[int, Query(ge=2, description="Images, both ends among them; at most max_count.")] = 24,
        format: Annotated[
            Literal["webp", "gif"] | None,
            Query(
                description="Lossless WebP, or GIF; default: what Accept says (JSON: each frame as a PNG), else WebP."
            ),
        ] = None,
        way: Annotated[
            Literal["slerp", "lerp"], Query(description="slerp: along the great circle; lerp: the straight line.")
        ] = "slerp",
        fps: Annotated[float, Query(ge=1, le=50, description="Frames per second.")] = 12.0,
        scale: Annotated[int, Query(ge=1, le=LARGEST_SCALE, description=SCALE_TEXT)] = 1,
        alias: AliasHeader = None,
        client: ClientHeader = None,
    ) -> Response:
        """An animation through latent space, as WebP or GIF, or its frames one by one in JSON."""
        encoding = enlarged(negotiate_walk(format, request.headers.get("accept"), fps), scale)

        def latents(model: LoadedModel) -> NDArray[np.float32]:
            ends = [draw_latents(seed, 1, model.engine.latent_dim)[0] for seed in (start, end)]
            return walk(ends[0], ends[1], frames, way)

        return await answer(request, service, ImageQuery(frames, "frames", latents, encoding, f"{start} {end}"))

    return router


def _decode_request(body: bytes) -> DecodeRequest:
    try:
        return DecodeRequest.model_validate_json(body)
    except ValidationError as error:
        raise UsageError(first_mistake(error.errors(include_input=False, include_url=False))) from None
