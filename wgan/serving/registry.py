"""Read the model registry over MLflow's REST API: light, fast and read-only.

Serving follows the registry with this. It sends only GET requests, and imports neither MLflow (seconds and 150 MB) nor
anything that could change an alias. An answer is used only if it is complete, valid and in time.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from pydantic import BaseModel, Field

from wgan.errors import WganError
from wgan.mlflow_server import (
    ABSENT,
    Answer,
    connection_options,
    reason_of,
    refusal,
    registry_address,
    validated,
)
from wgan.mlflow_values import Milliseconds, Tags
from wgan.settings import Settings

ANSWER_SECONDS = 10.0
"""Timeout in seconds for a complete answer about an alias."""
ANSWER_BYTES = 2**20
"""Maximum bytes of an answer about an alias; MLflow's own have a few kilobytes."""
PAGE = 50
"""Models per page of the registry's list."""
PAGE_BYTES = 2**24
"""Maximum bytes of a page: each model comes with the tags of its latest version, some tens of kilobytes."""
MOST_PAGES = 200


class ModelNotRegistered(WganError):
    """The registry answers, but there is no such model."""


class AliasNotSet(WganError):
    """The registry answers, but the model has no such alias."""


@dataclass(frozen=True)
class RegistryVersion:
    """The registry's entry for the version under an alias."""

    model: str
    version: int
    source: str
    """Changes whenever another model was registered, even under the same number in a new registry."""
    created: datetime
    tags: dict[str, str] = field(hash=False)
    run_id: str | None = None


class _ModelVersion(BaseModel):
    name: str
    version: int = Field(ge=1, le=2**31)
    source: str = Field(min_length=1)
    creation_timestamp: Milliseconds
    tags: Tags = Field(default_factory=dict)
    run_id: str | None = None


class _VersionAnswer(BaseModel):
    model_version: _ModelVersion


class _ModelAnswer(BaseModel):
    registered_model: dict[str, Any]


class _Alias(BaseModel):
    alias: str


class _ListedModel(BaseModel):
    name: str = Field(min_length=1, max_length=256)
    aliases: list[_Alias] = []


class _ListAnswer(BaseModel):
    registered_models: list[_ListedModel] = []
    next_page_token: str = ""


class _FilesAnswer(BaseModel):
    artifact_uri: str = Field(min_length=1)


class RegistryClient:
    """Connections to MLflow, for one event loop; close it at the end."""

    def __init__(self, settings: Settings) -> None:
        self.where = registry_address(settings)
        self._options = connection_options(settings)
        self._client: httpx.AsyncClient | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def find(self, model: str, alias: str) -> RegistryVersion:
        """The version under an alias.

        Raises `ModelNotRegistered`, `AliasNotSet`, or `WganError` if there is no complete, valid answer in time.
        """
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._find(model, alias)
        except TimeoutError:
            raise WganError(
                f"the MLflow server at {self.where} did not answer completely within {ANSWER_SECONDS:g} s."
            ) from None

    async def models_with(self, alias: str) -> tuple[str, ...]:
        """Sorted names of the models with a version under the alias. Raises `WganError` as `find` does."""
        found, token = set[str](), ""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                for _ in range(MOST_PAGES):
                    query = {"max_results": str(PAGE), **({"page_token": token} if token else {})}
                    answer = await self.get("registered-models/search", _ListAnswer, query, PAGE_BYTES)
                    if answer is None:
                        raise WganError(f"the MLflow server at {self.where} does not list its models for this user.")
                    for model in answer.registered_models:
                        if any(entry.alias == alias for entry in model.aliases):
                            found.add(model.name)
                    token = answer.next_page_token
                    if not token:
                        return tuple(sorted(found))
        except TimeoutError:
            raise WganError(
                f"the MLflow server at {self.where} did not list its models within {ANSWER_SECONDS:g} s."
            ) from None
        raise WganError(f"the MLflow server at {self.where} lists more than {PAGE * MOST_PAGES} models.")

    async def files(self, version: RegistryVersion) -> str:
        """The URI below which the version's files are. Raises `WganError`."""
        route = "model-versions/get-download-uri"
        query = {"name": version.model, "version": str(version.version)}
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await self.get(route, _FilesAnswer, query)
        except TimeoutError:
            raise WganError(f"the MLflow server at {self.where} did not say where the files are.") from None
        if answer is None:
            raise WganError(f"models:/{version.model}/{version.version} is gone from the registry at {self.where}.")
        return answer.artifact_uri.rstrip("/")

    async def _find(self, model: str, alias: str) -> RegistryVersion:
        answer = await self.get("registered-models/alias", _VersionAnswer, {"name": model, "alias": alias})
        if answer is None:
            if await self.get("registered-models/get", _ModelAnswer, {"name": model}) is None:
                raise ModelNotRegistered(
                    f"there is no registered model {model!r} at {self.where}, or this user may not read it: "
                    "`wgan models` lists them, `wgan retrain` creates one."
                )
            raise AliasNotSet(f"{model} has no {alias} yet: `wgan promote {model} VERSION` sets one.")
        return self._entry(model, answer.model_version)

    async def version(self, model: str, number: int) -> RegistryVersion | None:
        """A version by its number; None if there is none. Raises `WganError`; the caller limits the time."""
        answer = await self.get("model-versions/get", _VersionAnswer, {"name": model, "version": str(number)})
        return self._entry(model, answer.model_version) if answer else None

    def _entry(self, model: str, entry: _ModelVersion) -> RegistryVersion:
        if entry.name != model:
            raise WganError(f"the MLflow server at {self.where} answers about another model than {model}.")
        return RegistryVersion(
            model=model,
            version=entry.version,
            source=entry.source,
            created=datetime.fromtimestamp(entry.creation_timestamp / 1000, UTC),
            tags=entry.tags,
            run_id=entry.run_id or None,
        )

    async def get(
        self, route: str, kind: type[Answer], query: dict[str, str], most: int = ANSWER_BYTES
    ) -> Answer | None:
        """The registry's answer to a GET, of at most so many bytes; None if there is no such object."""
        if self._client is None:
            self._client = httpx.AsyncClient(**self._options)
        url = f"{self.where}/api/2.0/mlflow/{route}"
        body = bytearray()
        try:
            async with self._client.stream("GET", url, params=query) as response:
                status = response.status_code
                async for block in response.aiter_bytes():
                    body += block
                    if len(body) > most:
                        raise WganError(
                            f"{self.where} answers with more than {most} bytes and is not an MLflow server."
                        )
        except httpx.HTTPError as error:
            raise WganError(
                f"the MLflow server at {self.where} does not answer ({reason_of(error)}): "
                "start the embedded stack with `wgan up`, or set WGAN_MLFLOW_TRACKING_URI."
            ) from None
        return self._parsed(route, kind, status, bytes(body))

    def _parsed(self, route: str, kind: type[Answer], status: int, body: bytes) -> Answer | None:
        if status == httpx.codes.FORBIDDEN:
            return None  # MLflow's basic-auth answers so, without JSON, if it does not exist
        if status == httpx.codes.OK:
            return validated(self.where, route, kind, body)
        code = refusal(self.where, status, body).error_code
        if code in ABSENT:
            return None
        raise WganError(f"the MLflow server at {self.where} refused {route} (status {status}, {code[:64]}).")
