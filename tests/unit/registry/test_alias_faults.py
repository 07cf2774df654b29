"""What is wrong with a model's champion after somebody moved or removed it by hand."""

from __future__ import annotations

import pytest

from wgan.mlflow_api.models import ModelVersion, RegisteredModel
from wgan.registry.alias_faults import alias_fault

OURS = {"checkpoint_sha256": "c" * 64}
MODEL = "generator-digits"


def model(**aliases: int) -> RegisteredModel:
    return RegisteredModel(name=MODEL, aliases=aliases)


def version(number: int, **tags: str) -> ModelVersion:
    return ModelVersion(name=MODEL, version=number, tags=tags)


def test_a_champion_of_this_pipeline_is_no_fault() -> None:
    assert alias_fault(model(champion=2), version(2, **OURS), []) is None


@pytest.mark.parametrize("champion", [version(2), version(2, owner="somebody"), None])
def test_a_champion_without_this_pipelines_tags_is_one(champion: ModelVersion | None) -> None:
    fault = alias_fault(model(champion=2), champion, [])
    assert fault == (
        "The champion of generator-digits, version 2, was not registered by this pipeline, so it cannot be verified. "
        "Serving keeps the version that it has; `wgan rollback generator-digits --to VERSION` sets one of this "
        "pipeline's."
    )


@pytest.mark.parametrize("action", ["promoted", "kept", "rolled-back", "reconciled", "moved-outside"])
def test_a_champion_that_is_gone_is_one(action: str) -> None:
    fault = alias_fault(model(previous=1), None, [version(3, gate="refused"), version(1, gate=action)])
    assert fault is not None
    assert fault.startswith("generator-digits has no champion, although version 1 was one: the alias or its version")


def test_a_model_that_never_had_a_champion_is_no_fault() -> None:
    assert alias_fault(model(), None, [version(1, gate="refused"), version(2)]) is None
