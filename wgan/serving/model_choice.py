"""Which model a request is about: the default in the short form, `/v1/…`, or the one in `/v1/models/NAME/…`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Path, Request

from wgan.serving.catalogue import Catalogue, Entry

ModelName = Annotated[str, Path(description="A model that `/v1/models` lists.", max_length=256)]
Choice = Callable[..., Awaitable[None]]


def the_default(catalogue: Catalogue) -> Choice:
    """For routes without a name."""

    async def choose_default(request: Request) -> None:
        request.state.entry = catalogue.require_default()

    return choose_default


def the_named(catalogue: Catalogue) -> Choice:
    """For routes with the path parameter `model`."""

    async def choose_named(request: Request, model: ModelName) -> None:
        request.state.entry = None  # so that an unknown name's response names no other model
        request.state.entry = catalogue.require(model)

    return choose_named


def chosen(request: Request) -> Entry:
    """The model chosen for the request."""
    entry: Entry = request.state.entry
    return entry
