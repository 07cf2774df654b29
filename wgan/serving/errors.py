"""Error responses: one JSON form, one sentence each."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from wgan.errors import UsageError, WganError
from wgan.serving.batching import NotFinite, QueueFull
from wgan.serving.encoding import TooLargePicture
from wgan.serving.models import NoModel, UnknownAlias, UnknownModel
from wgan.serving.negotiation import NotAcceptable

STATUS: dict[type[Exception], tuple[int, str]] = {
    QueueFull: (429, "queue-full"),
    NoModel: (503, "no-model"),
    UnknownModel: (404, "unknown-model"),
    UnknownAlias: (404, "unknown-alias"),
    NotAcceptable: (406, "not-acceptable"),
    TooLargePicture: (422, "too-large-picture"),
    NotFinite: (422, "not-finite"),
    UsageError: (422, "invalid"),
    WganError: (500, "model-failed"),
}
RETRY_SECONDS = 2


class DeadlinePassed(Exception):
    """The request took longer than it may."""


class ClientLeft(Exception):
    """The client has disconnected."""


def error_response(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    """`{"error": {"code", "message"}}`."""
    sentence = message[:1].upper() + message[1:] if message.split(" ", 1)[0].isalpha() else message
    return JSONResponse({"error": {"code": code, "message": sentence}}, status, headers)


def add_error_handlers(app: FastAPI) -> None:
    """Map every kind of error to its status and sentence."""

    async def known(request: Request, error: Exception) -> Response:
        status, code = next(value for kind, value in STATUS.items() if isinstance(error, kind))
        waits = error.retry_after if isinstance(error, QueueFull) else RETRY_SECONDS if status == 503 else None
        return error_response(status, code, str(error), {"Retry-After": str(waits)} if waits else None)

    async def late(request: Request, error: Exception) -> Response:
        return error_response(503, "deadline", str(error), {"Retry-After": str(RETRY_SECONDS)})

    async def left(request: Request, error: Exception) -> Response:
        return Response(status_code=499)  # for the log only

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return error_response(422, "invalid", first_mistake(error.errors()))

    async def plain(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers or {})
        message = f"{error.detail}."
        if error.status_code == 405:
            message = f"{request.method[:16]} is not answered at {request.url.path[:64]}: use {headers.get('Allow')}."
        return error_response(error.status_code, "http", message, headers)

    for kind in STATUS:
        app.add_exception_handler(kind, known)
    app.add_exception_handler(DeadlinePassed, late)
    app.add_exception_handler(ClientLeft, left)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, plain)


def first_mistake(errors: Any) -> str:
    """The first of pydantic's errors as a sentence, without the offending value."""
    first = errors[0]
    if first["type"] == "json_invalid":
        return f"the body is not JSON: {first.get('ctx', {}).get('error', 'it ends too soon')}."
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query")) or "the body"
    message = first["msg"]
    return f"{where}: {message if message[1:2].isupper() else message[:1].lower() + message[1:]}."
