"""What a version was last measured at, as tags that can be searched: data, protocol, opponent, metrics with intervals.

Both sides of a judgement carry them, so that a version also tells on which data it was judged again as champion.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from wgan.config import config_digest
from wgan.mlflow_api.models import Models
from wgan.records import LedgerEntry, Measurement
from wgan.registry.client import registry, require_version
from wgan.settings import Settings

DATA_DIGEST_TAG = "data_digest"
"""Of every version: the data it was trained on, and first measured on."""
JUDGED_DATA_TAG = "judged.data_digest"
JUDGED_PROTOCOL_TAG = "judged.protocol_digest"
JUDGED_CHAMPION_TAG = "judged.champion_version"
JUDGED_METRIC_TAG = "judged.metric."
"""Prefix of the tags that hold `[mean, low, high]` of a metric at the last judgement."""


def judgement_tags(measured: Measurement) -> dict[str, str]:
    """The tags of one side."""
    tags = {
        JUDGED_DATA_TAG: measured.protocol.data_digest,
        JUDGED_PROTOCOL_TAG: config_digest(measured.protocol),
    }
    for name, interval in measured.metrics.items():
        tags[JUDGED_METRIC_TAG + name] = json.dumps([interval.mean, interval.low, interval.high])
    return tags


def tag_judgement(models: Models, entry: LedgerEntry, versions: Collection[int]) -> None:
    """Tag the challenger and the champion of an entry's decision; only `versions`, those in the registry, count."""
    decision = entry.decision
    if decision is None or decision.challenger is None:
        return
    sides = {entry.to_version: judgement_tags(decision.challenger)}
    sides[entry.to_version][JUDGED_CHAMPION_TAG] = str(decision.champion_version or "none")
    if decision.champion is not None and decision.champion_version is not None:
        sides[decision.champion_version] = judgement_tags(decision.champion)
    for version, tags in sides.items():
        if version in versions:
            for key, value in tags.items():
                models.tag_version(entry.model_name, version, key, value)


def judged_on(model: str, version: int, settings: Settings) -> str | None:
    """Data digest of the version's last measurement; None where it carries no tags of this pipeline.

    Raises `UsageError` naming what there is, `WganError`.
    """
    with registry(settings) as models:
        tags = require_version(models, model, version).tags
    return tags.get(JUDGED_DATA_TAG) or tags.get(DATA_DIGEST_TAG)
