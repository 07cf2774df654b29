"""Manual promotion and rollback, through the flows, the gate and the ledger, on real servers."""

from __future__ import annotations

import json
import threading
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.integration.command_line import json_of, quick
from tests.integration.hidden_torch import hide_torch
from tests.integration.stack_commands import prefect_login
from tests.integration.stack_commands import run as run_wgan
from wgan.registry import ledger
from wgan.settings import Settings
from wgan.storage import Storage, open_storage
from wgan.tracking.client import tracking_client

pytestmark = pytest.mark.slow(minutes=4)
MODEL = "generator-judged"


@pytest.fixture(scope="module")
def versions(stack: Settings) -> tuple[int, int]:
    """A champion, and a worse version: barely trained."""
    champion = json_of(stack, "retrain", *quick("judged", "training.generator_steps=60", "training.lr=1e-3"))
    worse = json_of(
        stack, "retrain", *quick("judged", "training.generator_steps=1", "training.lr=1e-6"), "--no-promote"
    )
    return champion["version"]["version"], worse["version"]["version"]


def champion(settings: Settings) -> int:
    return int(tracking_client(settings).get_model_version_by_alias(MODEL, "champion").version)


def test_a_worse_version_is_refused_with_exit_code_3_and_reasons(
    versions: Any, stack: Settings, storage: Storage
) -> None:
    best, worse = versions
    entry = json_of(stack, "promote", MODEL, str(worse), code=3)
    assert entry["action"] == "refused"
    assert not entry["decision"]["promote"]
    failed = [rule for rule in entry["decision"]["rules"] if not rule["passed"]]
    assert failed
    assert all(rule["reason"].endswith(".") for rule in failed)
    assert champion(stack) == best
    assert ledger.read(MODEL, storage, stack)[-1].action == "refused"


@pytest.fixture(scope="module")
def dry_run(versions: Any, stack: Settings) -> tuple[Any, int]:
    """The decision on the worse version, and how many entries it added to the ledger."""
    storage = open_storage(stack)
    before = len(ledger.read(MODEL, storage, stack))
    decision = json_of(stack, "promote", MODEL, str(versions[1]), "--dry-run", code=3)
    return decision, len(ledger.read(MODEL, storage, stack)) - before


def test_a_dry_run_decides_and_changes_nothing(dry_run: Any) -> None:
    decision, entries = dry_run
    assert decision["promote"] is False
    assert entries == 0


def artifacts(settings: Settings, key: str) -> list[Any]:
    """Prefect's artifacts of a key for decisions on this model, newest first."""
    found = httpx.post(
        f"{settings.prefect_api_url}/artifacts/filter",
        json={"artifacts": {"key": {"any_": [key]}}, "sort": "UPDATED_DESC"},
        auth=prefect_login(settings),
    ).json()
    return [artifact for artifact in found if MODEL in artifact["description"]]


def test_the_decision_is_a_table_and_loadable_pictures_of_both_sides(
    versions: Any, dry_run: Any, stack: Settings
) -> None:
    best, worse = versions
    table = artifacts(stack, "gate-metrics")[0]
    assert table["description"] == f"{MODEL} version {worse}: do not promote"
    rows = {row["metric"]: row for row in json.loads(table["data"])}
    distance = rows["Fréchet distance ↓"]
    assert distance["verdict"] == "failed"
    assert distance["rule"] == "must improve by more than 0.5"
    assert {"challenger", "champion", "challenger − champion"} <= set(distance)

    text = artifacts(stack, "gate-decision")[0]["data"]
    for side, file in (("challenger", "challenger.png"), ("champion", f"champion-{best}.png")):
        url = artifacts(stack, f"samples-{side}")[0]["data"]
        assert f"({url})" in text
        assert file in url
        with Image.open(BytesIO(httpx.get(url).raise_for_status().content)) as picture:
            assert picture.format == "PNG"
            assert picture.width > 500


def test_force_overrules_the_gate_and_a_rollback_undoes_it_where_torch_is_not_installed(
    versions: Any, stack: Settings, storage: Storage, tmp_path: Path
) -> None:
    best, worse = versions
    forced = json_of(stack, "promote", MODEL, str(worse), "--force", "--reason", "to see it served")
    assert (forced["action"], forced["forced"], forced["to_version"]) == ("promoted", True, worse)
    assert champion(stack) == worse
    undone = json_of(stack, "rollback", MODEL, **hide_torch(tmp_path / "hidden"))
    assert (undone["action"], undone["from_version"], undone["to_version"]) == ("rolled-back", worse, best)
    assert champion(stack) == best
    assert [entry.action for entry in ledger.read(MODEL, storage, stack)][-2:] == ["promoted", "rolled-back"]


def test_force_without_a_reason_is_a_mistake(versions: Any, stack: Settings) -> None:
    assert "--reason" in run_wgan(stack, "promote", MODEL, str(versions[1]), "--force", code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "part"),
    [(("promote", "generator-absent", "1"), "generator-absent"), (("promote", MODEL, "999"), "999"),
     (("rollback", MODEL, "--to", "999"), "999"), (("rollback", "generator-absent"), "generator-absent")],
)  # fmt: skip
def test_what_does_not_exist_is_named_in_one_sentence(
    versions: Any, stack: Settings, arguments: tuple[str, ...], part: str
) -> None:
    errors = run_wgan(stack, *arguments, code=2).stderr
    assert part in errors
    assert "Traceback" not in errors


def roll_back(settings: Settings, version: int, reason: str) -> None:
    # The one that comes second finds nothing to do, which is a mistake (exit code 2), not a change.
    run_wgan(settings, "rollback", MODEL, "--to", str(version), "--reason", reason, code=(0, 2))


def test_two_operations_at_once_leave_alias_and_ledger_in_agreement(
    versions: Any, stack: Settings, storage: Storage
) -> None:
    best, worse = versions
    run_wgan(stack, "promote", MODEL, str(worse), "--force", "--reason", "first of three")
    threads = [threading.Thread(target=roll_back, args=(stack, best, reason)) for reason in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert champion(stack) == best
    assert ledger.read(MODEL, storage, stack)[-1].to_version == best
