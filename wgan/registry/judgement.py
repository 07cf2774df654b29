"""A version's last measurement as one JSON tag: data, protocol, opponent, metrics with intervals.

Both sides of a judgement carry it, so that a version also shows on which data it was re-evaluated as champion.
"""

from __future__ import annotations

from pydantic import Field, ValidationError

from wgan.config import config_digest
from wgan.mlflow_api.models import Models
from wgan.records import LedgerEntry, Measurement, Record
from wgan.registry.client import registry, require_version
from wgan.registry.lineage import metric_intervals
from wgan.settings import Settings

DATA_DIGEST_TAG = "data_digest"
"""On every version: the data it was trained and first measured on."""
JUDGED_TAG = "judged"
"""JSON of a `Judged`."""


class Judged(Record):
    """One side of a version's last judgement."""

    data_digest: str
    protocol_digest: str
    champion_version: int | None = Field(description="The challenger's opponent; None: none, or it was the champion.")
    metrics: dict[str, tuple[float, float, float]] = Field(description="Mean, low and high of each.")


def tag_judgement(models: Models, entry: LedgerEntry) -> None:
    """Tag challenger and champion of an entry's decision, if they are in the registry."""
    decision = entry.decision
    if decision is None or decision.challenger is None:
        return
    sides = {entry.to_version: _judged(decision.challenger, decision.champion_version)}
    if decision.champion is not None and decision.champion_version is not None:
        sides[decision.champion_version] = _judged(decision.champion, None)
    for version, judged in sides.items():
        if models.version(entry.model_name, version) is not None:
            models.tag_version(entry.model_name, version, JUDGED_TAG, judged.model_dump_json())


def _judged(measured: Measurement, opponent: int | None) -> Judged:
    return Judged(
        data_digest=measured.protocol.data_digest,
        protocol_digest=config_digest(measured.protocol),
        champion_version=opponent,
        metrics=metric_intervals(measured),
    )


def judged_on(model: str, version: int, settings: Settings) -> str | None:
    """Data digest of the version's last measurement; None if it carries no tags of this pipeline.

    Raises `UsageError` listing the existing ones, `WganError`.
    """
    with registry(settings) as models:
        tags = require_version(models, model, version).tags
    try:
        return Judged.model_validate_json(tags.get(JUDGED_TAG, "")).data_digest
    except ValidationError:  # not judged yet, or not by this version of the code
        return tags.get(DATA_DIGEST_TAG)
