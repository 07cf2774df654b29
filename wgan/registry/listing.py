"""Lists the registry: models with their aliases, versions with their metrics and the gate's decision."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import TypeVar

from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError

from wgan.mlflow_api.models import VERSIONS_A_PAGE, ModelVersion
from wgan.model_version.way import VersionStage, stage_of
from wgan.records import Moment, Record
from wgan.registry.client import registry, require_model
from wgan.registry.lineage import METRICS_TAG
from wgan.settings import Settings

GATE_TAG = "gate"
"""The action of the version's last ledger entry."""
GATE_REASON_TAG = "gate.reason"
GATE_TIME_TAG = "gate.time"
Value = TypeVar("Value")
MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)
NUMBER: TypeAdapter[float] = TypeAdapter(FiniteFloat)
INTERVALS: TypeAdapter[dict[str, tuple[float, float, float]]] = TypeAdapter(
    dict[str, tuple[FiniteFloat, FiniteFloat, FiniteFloat]]
)


class MetricSummary(Record):
    """A metric's mean and confidence interval."""

    mean: float
    low: float
    high: float


class VersionEntry(Record):
    """One version in a listing."""

    model_name: str
    version: int
    created: datetime
    aliases: tuple[str, ...] = Field(description="Sorted: challenger, champion, previous.")
    metrics: dict[str, MetricSummary]
    stage: VersionStage = Field(description="Where the version is on its way, and what it waits for.")
    gate: str | None = Field(description="The action of its last ledger entry; None: not judged by the gate.")
    gate_reason: str | None
    gate_time: datetime | None
    wasserstein_estimate: float | None
    data_digest: str | None
    code_version: str | None
    flow_run_id: str | None
    mlflow_run_id: str | None


class ModelEntry(Record):
    """One registered model in a listing."""

    name: str
    latest_version: int | None = Field(description="The highest version number; None: it has no versions.")
    champion: int | None
    challenger: int | None
    previous: int | None
    updated: datetime


class VersionList(Record):
    """The newest versions of a model."""

    versions: tuple[VersionEntry, ...] = Field(description="Newest first.")
    more: bool = Field(description="Whether the model has older ones.")


def list_models(settings: Settings) -> list[ModelEntry]:
    """Every registered model, by name. Raises `WganError`."""
    with registry(settings) as models:
        entries = [
            ModelEntry(
                name=model.name,
                latest_version=model.latest_version,
                champion=model.aliases.get("champion"),
                challenger=model.aliases.get("challenger"),
                previous=model.aliases.get("previous"),
                updated=_time(model.last_updated_timestamp),
            )
            for model in models.models()
        ]
        return sorted(entries, key=lambda entry: entry.name)


def list_versions(model: str, limit: int, settings: Settings) -> VersionList:
    """At most `limit` of a model's versions. Raises `UsageError` listing existing models, `WganError`."""
    with registry(settings) as models:
        # MLflow leaves aliases out of searches; the model itself has them all.
        aliases = require_model(models, model).aliases
        found = list(islice(models.newest_versions(model, min(limit + 1, VERSIONS_A_PAGE)), limit + 1))
        entries = [_version_entry(version, aliases) for version in found[:limit]]
        return VersionList(versions=tuple(entries), more=len(found) > limit)


def _version_entry(version: ModelVersion, aliases: Mapping[str, int]) -> VersionEntry:
    tags = version.tags
    return VersionEntry(
        model_name=version.name,
        version=version.version,
        created=_time(version.creation_timestamp),
        aliases=tuple(sorted(name for name, number in aliases.items() if number == version.version)),
        stage=stage_of(version.version, tags, aliases),
        metrics=_metrics(tags.get(METRICS_TAG)),
        gate=tags.get(GATE_TAG),
        gate_reason=tags.get(GATE_REASON_TAG),
        gate_time=_valid(MOMENT, tags.get(GATE_TIME_TAG)),
        wasserstein_estimate=_valid(NUMBER, tags.get("wasserstein_estimate")),
        data_digest=tags.get("data_digest"),
        code_version=tags.get("code_version"),
        flow_run_id=tags.get("flow_run_id"),
        mlflow_run_id=version.run_id or None,
    )


def _metrics(text: str | None) -> dict[str, MetricSummary]:
    """The metrics of a tag, by name; empty for one this pipeline did not write: anybody can set tags."""
    try:
        found = INTERVALS.validate_json(text or "{}")
    except ValidationError:
        return {}
    return {name: MetricSummary(mean=mean, low=low, high=high) for name, (mean, low, high) in sorted(found.items())}


def _valid(kind: TypeAdapter[Value], text: str | None) -> Value | None:
    """The value of a tag; None if it is missing or foreign."""
    try:
        return kind.validate_python(text) if text else None
    except ValidationError:
        return None


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
