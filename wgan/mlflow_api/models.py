"""Registered models and their versions: read, tagged, described, and pointed at by aliases."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from wgan.errors import WganError
from wgan.mlflow_api.requests import Answered, Mlflow, Page
from wgan.mlflow_values import Aliases, Milliseconds, Tags

MODELS_A_PAGE = 200
"""Page size for models: each comes with the tags of its latest version."""
VERSIONS_A_PAGE = 1000
"""Page size for versions: one with a gate decision has some tens of kilobytes."""


class _LatestVersion(Answered):
    version: int = Field(ge=1, le=2**31)


class RegisteredModel(Answered):
    """A registered model."""

    name: str
    last_updated_timestamp: Milliseconds = 0
    aliases: Aliases = Field(default_factory=dict)
    latest_versions: tuple[_LatestVersion, ...] = Field((), description="One for each stage that has versions.")

    @property
    def latest_version(self) -> int | None:
        """The highest version number; None if the model has no versions."""
        return max((found.version for found in self.latest_versions), default=None)


class ModelVersion(Answered):
    """A version of a registered model. Only the model lists its aliases."""

    name: str
    version: int = Field(ge=1, le=2**31)
    creation_timestamp: Milliseconds = 0
    run_id: str | None = None
    tags: Tags = Field(default_factory=dict)


class _Model(Answered):
    registered_model: RegisteredModel


class _Models(Page):
    registered_models: tuple[RegisteredModel, ...] = ()


class _Version(Answered):
    model_version: ModelVersion


class _Versions(Page):
    model_versions: tuple[ModelVersion, ...] = ()


class _Files(Answered):
    artifact_uri: str = Field(min_length=1)


class Models:
    """The model registry of a server. Every method raises `WganError` if the server does not answer or refuses."""

    def __init__(self, server: Mlflow) -> None:
        self.server = server

    def model(self, name: str) -> RegisteredModel | None:
        """The registered model, with its aliases; None if there is none of that name."""
        found = self.server.find("registered-models/get", _Model, name=name)
        return found.registered_model if found else None

    def models(self) -> Iterator[RegisteredModel]:
        """Every registered model, with its aliases, by name; the pages are read as they are needed."""
        for page in self.server.every("GET", "registered-models/search", _Models, max_results=MODELS_A_PAGE):
            yield from page.registered_models

    def version(self, model: str, number: int) -> ModelVersion | None:
        """The version; None if there is no such version or model."""
        found = self.server.find("model-versions/get", _Version, name=model, version=str(number))
        return found.model_version if found else None

    def versions_of_run(self, model: str, run_id: str) -> Iterator[ModelVersion]:
        """The model's versions that an MLflow run registered; the server searches."""
        return self._search(VERSIONS_A_PAGE, filter=f"name = '{model}' and run_id = '{run_id}'")

    def newest_versions(self, model: str, a_page: int, wanted: str | None = None) -> Iterator[ModelVersion]:
        """The model's versions that the filter `wanted` holds for, newest first.

        The server searches and sorts; each request fetches `a_page` versions, as they are needed.
        """
        named = f"name = '{model}'"
        return self._search(
            a_page, filter=named if wanted is None else f"{named} and {wanted}", order_by="version_number DESC"
        )

    def versions(self, a_page: int = VERSIONS_A_PAGE) -> Iterator[ModelVersion]:
        """Every version of every model, the one created last first; the pages are read as they are needed."""
        return self._search(a_page, order_by="creation_timestamp DESC")

    def _search(self, a_page: int, **query: str) -> Iterator[ModelVersion]:
        for page in self.server.every("GET", "model-versions/search", _Versions, max_results=a_page, **query):
            yield from page.model_versions

    def files(self, model: str, number: int) -> str:
        """The URI below which the version's files are."""
        found = self.server.find("model-versions/get-download-uri", _Files, name=model, version=str(number))
        if found is None:
            raise WganError(f"models:/{model}/{number} is gone from the registry at {self.server.where}.")
        return found.artifact_uri.rstrip("/")

    def set_alias(self, model: str, alias: str, number: int) -> None:
        """Point an alias at a version, replacing its previous target."""
        self.server.send("POST", "registered-models/alias", Answered, name=model, alias=alias, version=str(number))

    def delete_alias(self, model: str, alias: str) -> None:
        """Delete an alias; no error if it does not exist."""
        self.server.send("DELETE", "registered-models/alias", Answered, name=model, alias=alias)

    def tag_version(self, model: str, number: int, key: str, value: str) -> None:
        """Set a tag of a version, replacing its previous value."""
        self.server.send(
            "POST", "model-versions/set-tag", Answered, name=model, version=str(number), key=key, value=value
        )

    def describe_version(self, model: str, number: int, markdown: str) -> None:
        """Set a version's description."""
        self.server.send(
            "PATCH", "model-versions/update", Answered, name=model, version=str(number), description=markdown
        )
