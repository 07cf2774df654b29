"""The API's requests and responses, with examples for its OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from wgan.serving.encoding import JSON, LARGEST_SCALE, MEDIA_TYPES, NPY, ZIP, Layout, Picture
from wgan.serving.faults import Fault

LARGEST_SEED = 2**63 - 1
SCALE_TEXT = "How often each pixel is repeated in both directions, in pictures; counts against the largest answer."
SCALE: int = Field(1, ge=1, le=LARGEST_SCALE, description=SCALE_TEXT)


class StrictModel(BaseModel):
    """Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class ImagesRequest(StrictModel):
    """The number of images, their noise, and their format."""

    count: int = Field(1, ge=1, description="Images; at most max_count, as `model` says.", examples=[16])
    seed: int | None = Field(
        None,
        ge=0,
        le=LARGEST_SEED,
        description="Seed of the noise; the same seed, count and version give the same bytes. Unset: a fresh one.",
        examples=[7],
    )
    format: Picture | None = Field(None, description="Picture format; default: what Accept says, else png.")
    layout: Layout | None = Field(
        None, description="grid: one picture; zip: one file each; base64: JSON. Default: what Accept says, else grid."
    )
    scale: int = SCALE


class DecodeRequest(StrictModel):
    """Latents given by the client."""

    latents: list[list[float]] = Field(
        min_length=1, description="Rows of z numbers each, z as `model` says; finite, at most 1000 in magnitude."
    )
    format: Picture | None = Field(None, description="Picture format; default: what Accept says, else png.")
    layout: Layout | None = Field(None, description="As for images.")
    scale: int = SCALE


class ErrorBody(BaseModel):
    """Why the request failed."""

    class Error(BaseModel):
        """One sentence, and a code for programs."""

        code: str = Field(examples=["queue-full"])
        message: str = Field(examples=["Too many images are waiting: try again in 3 s."])

    error: Error


class Base64Images(BaseModel):
    """Images in JSON."""

    model: str
    version: int
    count: int
    seed: int | None = Field(description="Null where the latents were given.")
    format: Picture
    images: list[str] = Field(description="Base64 of one encoded picture each.")


class MetricValue(BaseModel):
    """Mean and confidence interval."""

    mean: float
    low: float
    high: float


class DataSetFacts(BaseModel):
    """What the generator was trained on."""

    name: str
    source: str
    digest: str
    count: int
    image_size: int = Field(description="Pixels.")
    channels: int
    classes: tuple[str, ...]


class Lineage(BaseModel):
    """The origin of the version."""

    mlflow_run_id: str
    flow_run_id: str
    checkpoint_uri: str
    checkpoint_sha256: str
    config_digest: str
    code_version: str | None
    generator_steps: int


class ModelFacts(BaseModel):
    """The served version."""

    name: str
    alias: str
    version: int
    digest: str = Field(description="SHA-256 of the ONNX file.")
    registered: datetime
    since: datetime = Field(description="When it was taken into service here.")
    latent_dim: int
    channels: int
    image_size: int = Field(description="Pixels.")
    max_count: int = Field(description="Most images in one request, not enlarged.")
    max_values: int = Field(description="Most values (count × channels × height × width × scale²) in one answer.")
    metrics: dict[str, MetricValue]
    data_set: DataSetFacts
    lineage: Lineage
    challenger: int | None = Field(description="Version that is served beside it; ask for it with X-WGAN-Alias.")
    canary_percent: float = Field(description="Share of the requests that the challenger draws in its canary; 0: none.")


class Alive(BaseModel):
    """The process is running."""

    status: str = Field(examples=["alive"])


class AliasState(BaseModel):
    """The version served under an alias, and the one that should be."""

    serving: int | None = Field(description="Version; null: none.")
    wanted: int | None = Field(description="Version the registry last named; null: none, or not known.")
    failures: int = Field(description="Failed loads of the wanted version in a row.")
    version_faults: int = Field(description="How many of them, up to the last, were the version's own fault.")
    fault: Fault | None = Field(
        description="Whose fault the last failure was: the version's (digest, load, recorded sample), or this "
        "process's (registry, network, disk), which says nothing about the version."
    )
    stale: str | None = Field(description="Why what is served may not be what the registry says; null: it is.")
    retry_in: float | None = Field(description="Seconds until a failed load is tried again.")


class ModelState(BaseModel):
    """Whether a model has a loaded version, and whether it is the one that should be served."""

    name: str = Field(examples=["generator-digits"])
    ready: bool = Field(description="Whether it draws.")
    alias: str = Field(description="The alias that is followed.")
    version: int | None = Field(description="Version under it that draws; null: none.")
    reason: str | None = Field(description="Why it does not draw or is stale; null: all is well.")
    aliases: dict[str, AliasState]
    canary_percent: float = Field(description="Share of the requests that the challenger draws in its canary; 0: none.")
    registry_answered_seconds_ago: float | None


class ModelList(BaseModel):
    """The models of a serving process."""

    alias: str
    every: bool = Field(description="Whether it serves every registered model with the alias, and adds new ones.")
    default: str | None = Field(description="The model of the routes without a name; null: none yet.")
    reason: str | None = Field(description="Why a model may be missing; null: none is.")
    models: list[ModelState] = Field(description="The default first.")


class Readiness(BaseModel):
    """Whether a version is loaded, and whether it is the one that should be served; the default model comes first."""

    ready: bool = Field(
        description="Whether requests may be sent here: at first once every model with a version has loaded it or "
        "failed to, from then on while any draws."
    )
    model: str | None = Field(description="The model of the routes without a name; null: none yet.")
    alias: str
    version: int | None
    reason: str | None = Field(description="Why it is not ready or stale; null: all is well.")
    aliases: dict[str, AliasState]
    registry_answered_seconds_ago: float | None
    models: list[ModelState]


class WebhookResult(BaseModel):
    """The outcome of a webhook's delivery."""

    status: str = Field(examples=["polling"])


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI entries of error answers."""
    meaning = {
        401: "An API key is needed.",
        404: "No such model or alias here.",
        406: "Accept names nothing that can be made.",
        408: "The body took too long.",
        413: "The body is too large.",
        415: "A content type that is not read.",
        422: "A value that is not allowed.",
        429: "Too many images are waiting; Retry-After says for how long.",
        503: "No model yet, or the time is up; Retry-After says when to try again.",
    }
    return {status: {"model": ErrorBody, "description": meaning[status]} for status in statuses}


IMAGE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The images. X-WGAN-Version says which version drew them, X-WGAN-Seed of which seed.",
        "content": {
            **{media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in MEDIA_TYPES.values()},
            ZIP: {"schema": {"type": "string", "format": "binary"}},
            NPY: {"schema": {"type": "string", "format": "binary", "description": "uint8 (N, C, H, W)"}},
            JSON: {"schema": Base64Images.model_json_schema()},
        },
    }
}
IMAGE_ERRORS = error_responses(401, 404, 406, 408, 413, 415, 422, 429, 503)
