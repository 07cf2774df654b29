"""Champion and challenger on different data sets are both judged on the newest, and every record says so."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from tests.integration.untrained_versions import digits_config, register_untrained
from wgan.metric_text.summary import judgement_markdown
from wgan.records import LedgerEntry, ModelVersionRef
from wgan.registry import ledger
from wgan.registry.promotion import promote
from wgan.registry.versions import load_configuration
from wgan.settings import Settings
from wgan.steps.evaluate import decide_version, judge_version
from wgan.storage import Storage
from wgan.tracking.client import tracking_client
from wgan.tracking.runs import fetch_artifact


@pytest.fixture(scope="module")
def versions(stack: Settings, storage: Storage) -> tuple[ModelVersionRef, ...]:
    """Version 1, the champion by force, and 2 on one data set; version 3 on a newer one."""
    storage.ensure_bucket()
    name = f"digits-{uuid.uuid4().hex[:8]}"
    old, new = digits_config(name, max_images=300), digits_config(name, max_images=400)
    registered = (
        register_untrained(old, 1, stack, storage),
        register_untrained(old, 2, stack, storage),
        register_untrained(new, 3, stack, storage),
    )
    first = registered[0]
    promote(first, None, stack, storage, force=True, reason="somebody must be first", expected_champion=None)
    return registered


@pytest.fixture(scope="module")
def judged(versions: tuple[ModelVersionRef, ...], stack: Settings, storage: Storage) -> ModelVersionRef:
    """Version 3, judged against version 1."""
    return judge(versions[2], stack, storage)


@pytest.fixture(scope="module")
def entry(judged: ModelVersionRef, stack: Settings, storage: Storage) -> LedgerEntry:
    """The ledger's entry for version 3: refused, because a rule of the gate cannot be met."""
    config = load_configuration(judged.model_name, judged.version, stack)
    rules = config.promotion.model_copy(update={"fid_margin": 1e6})
    return promote(judged, decide_version(rules, judged, stack), stack, storage, expected_champion=1)


def judge(version: ModelVersionRef, settings: Settings, storage: Storage) -> ModelVersionRef:
    config = load_configuration(version.model_name, version.version, settings)
    return judge_version(config, version, settings, storage)


def digest(version: ModelVersionRef) -> str:
    return version.evaluation.training.dataset.digest


def version_tags(version: ModelVersionRef, settings: Settings) -> dict[str, str]:
    client = tracking_client(settings)
    tags: dict[str, str] = client.get_model_version(version.model_name, str(version.version)).tags
    return tags


def test_a_champion_of_older_data_is_judged_again_on_the_new(
    versions: tuple[ModelVersionRef, ...], judged: ModelVersionRef
) -> None:
    champion = versions[0]
    assert digest(champion) != digest(judged)
    evaluation = judged.evaluation
    assert evaluation.champion is not None
    assert evaluation.champion_version == 1
    assert evaluation.champion_judged_on == digest(champion)
    assert evaluation.champion.protocol == evaluation.challenger.protocol
    assert evaluation.champion.protocol.data_digest == digest(judged)
    words = judgement_markdown(evaluation)
    assert (
        f"had been judged on {digest(champion)[:12]} before; since the data has changed, it was judged again" in words
    )


def test_an_old_version_is_judged_on_the_newest_data_of_its_model(
    versions: tuple[ModelVersionRef, ...], stack: Settings, storage: Storage
) -> None:
    evaluation = judge(versions[1], stack, storage).evaluation
    assert evaluation.challenger.protocol.data_digest == digest(versions[2])
    assert f"the model's newest data; the challenger was trained on {digest(versions[1])[:12]}" in judgement_markdown(
        evaluation
    )


def test_both_sides_grids_and_a_table_are_on_the_challengers_run(
    judged: ModelVersionRef, stack: Settings, tmp_path: Path
) -> None:
    client, run = tracking_client(stack), judged.evaluation.training.mlflow_run_id
    files = {entry.path for entry in client.list_artifacts(run, "evaluation")}
    assert set(judged.evaluation.grids.values()) == {"evaluation/challenger.png", "evaluation/champion-1.png"}
    assert files == {*judged.evaluation.grids.values(), "evaluation/metrics-against-1.json"}
    fetch_artifact(stack, run, "evaluation/metrics-against-1.json", tmp_path / "table.json")
    table = json.loads((tmp_path / "table.json").read_text())
    lines = [dict(zip(table["columns"], line, strict=True)) for line in table["data"]]
    sides = {line["side"]: line for line in lines if line["metric"] == "recall"}
    assert {"challenger", "champion", "challenger − champion"} <= set(sides)
    recall = judged.evaluation.challenger.metrics["recall"]
    assert [sides["challenger"][name] for name in ("mean", "low", "high")] == [recall.mean, recall.low, recall.high]
    assert {line["data_digest"] for line in lines} == {digest(judged)}


def test_ledger_and_tags_carry_all_numbers_of_the_decision(
    entry: LedgerEntry,
    judged: ModelVersionRef,
    versions: tuple[ModelVersionRef, ...],
    stack: Settings,
    storage: Storage,
) -> None:
    assert ledger.read(judged.model_name, storage, stack)[-1] == entry
    decision = entry.decision
    assert decision is not None
    assert (decision.challenger, decision.champion) == (judged.evaluation.challenger, judged.evaluation.champion)
    assert decision.champion_version == 1
    assert decision.champion_judged_on == digest(versions[0])

    challenger, champion = version_tags(judged, stack), version_tags(versions[0], stack)
    assert challenger["gate"] == entry.action
    assert challenger["gate.reason"] == entry.reason
    sides = [json.loads(tags["judged"]) for tags in (challenger, champion)]
    assert [side["champion_version"] for side in sides] == [1, None]
    for side, measured in zip(sides, (decision.challenger, decision.champion), strict=True):
        assert measured is not None
        assert side["data_digest"] == digest(judged)
        fid = measured.metrics["fid"]
        assert side["metrics"]["fid"] == [fid.mean, fid.low, fid.high]
    assert sides[0]["protocol_digest"] == sides[1]["protocol_digest"]


def test_the_next_judgement_says_that_the_champion_was_judged_on_the_new_data(
    entry: LedgerEntry, versions: tuple[ModelVersionRef, ...], stack: Settings, storage: Storage
) -> None:
    evaluation = judge(versions[1], stack, storage).evaluation
    assert evaluation.champion_judged_on == digest(versions[2])
    assert "had been judged on the same data and was measured again" in judgement_markdown(evaluation)
