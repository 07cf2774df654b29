"""The pipeline's side of a roll-out: it waits for serving, compares a sample, and rolls back what serving refuses."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect import flow
from prefect.settings import PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

from tasks.registry import promote_generator
from tasks.results import save_result_storage
from tasks.serving import confirm_serving, roll_back_refused
from tests.integration.serving_process import Serving, client_of, give_another_sample, register, serving
from wgan.errors import UsageError
from wgan.records import GateDecision, GateRule, LedgerEntry, ModelVersionRef, ServingCheck
from wgan.registry import ledger, promotion
from wgan.settings import Settings
from wgan.steps.confirm_serving import confirm_promotion, serving_urls
from wgan.storage import Storage

ALLOWED = GateDecision(promote=True, first_model=True, rules=(GateRule(name="fid", passed=True, reason="fine."),))


@pytest.fixture
def versions(stack: Settings, storage: Storage, tmp_path: Path) -> list[ModelVersionRef]:
    """Two versions of a model, the first its champion."""
    storage.ensure_bucket()
    name = f"confirmed-{uuid.uuid4().hex[:8]}"
    found = [register(stack, tmp_path, name, seed) for seed in (1, 2)]
    promotion.promote(found[0], ALLOWED, stack, storage, expected_champion=None)
    return found


@pytest.fixture
def server(stack: Settings, versions: list[ModelVersionRef], tmp_path: Path) -> Iterator[Serving]:
    with serving(stack, versions[0].model_name, tmp_path) as process:
        process.wait_ready()
        yield process


def url(server: Serving) -> str:
    return str(server.client.base_url).rstrip("/")


def promoted(version: ModelVersionRef, champion: int | None, settings: Settings, storage: Storage) -> LedgerEntry:
    return promotion.promote(version, ALLOWED, settings, storage, expected_champion=champion)


def watched(settings: Settings, *urls: str, seconds: float = 30) -> Settings:
    return settings.model_copy(update={"serving_urls": ",".join(urls), "serving_wait_seconds": seconds})


def test_a_promotion_is_confirmed_once_its_recorded_sample_is_drawn_there(
    server: Serving, versions: list[ModelVersionRef], stack: Settings, storage: Storage
) -> None:
    moved = promoted(versions[1], 1, stack, storage)
    (check,) = confirm_promotion(moved, watched(stack, url(server)))
    assert (check.outcome, check.url) == ("confirmed", url(server))
    assert check.grey_level_difference in (0, 1)
    assert server.version() == "2"


def test_a_process_that_was_started_for_other_models_is_named_with_the_remedy(
    server: Serving, stack: Settings, storage: Storage, tmp_path: Path
) -> None:
    other = promoted(register(stack, tmp_path, f"other-{uuid.uuid4().hex[:8]}", 3), None, stack, storage)
    (check,) = confirm_promotion(other, watched(stack, url(server), seconds=3000))
    assert check.outcome == "not served"
    assert check.reason == (
        f"it was started for other models: name {other.model_name} too (`wgan serve`, WGAN_SERVE_MODELS), "
        "or none for every model with a champion"
    )


def test_a_promotion_of_any_served_model_is_confirmed_at_that_model(
    versions: list[ModelVersionRef], stack: Settings, storage: Storage, tmp_path: Path
) -> None:
    other = register(stack, tmp_path, f"other-{uuid.uuid4().hex[:8]}", 3)
    with serving(stack, (versions[0].model_name, other.model_name), tmp_path) as both:
        both.wait_ready()
        moved = promoted(other, None, stack, storage)
        (check,) = confirm_promotion(moved, watched(stack, url(both)))
        assert check.outcome == "confirmed"
        assert both.ready()["model"] == versions[0].model_name


def test_the_first_promotion_of_a_model_is_confirmed_where_every_champion_is_served(
    stack: Settings, storage: Storage, tmp_path: Path
) -> None:
    storage.ensure_bucket()
    with serving(stack, (), tmp_path, WGAN_SERVE_MAX_MODELS="1000") as every:
        first = register(stack, tmp_path, f"first-{uuid.uuid4().hex[:8]}", 3)
        # It begins with the champions of all other tests.
        (check,) = confirm_promotion(promoted(first, None, stack, storage), watched(stack, url(every), seconds=400))
        assert check.outcome == "confirmed", check.reason


def test_a_process_that_does_not_answer_is_waited_for_and_then_unconfirmed(
    versions: list[ModelVersionRef], stack: Settings, storage: Storage, free_port: int
) -> None:
    moved = promoted(versions[1], 1, stack, storage)
    (check,) = confirm_promotion(moved, watched(stack, f"http://127.0.0.1:{free_port}", seconds=0.1))
    assert check.outcome == "unconfirmed"
    assert check.reason.startswith("it does not answer (")


def test_without_serving_processes_there_is_nothing_to_wait_for(stack: Settings) -> None:
    assert serving_urls(watched(stack)) == []


def test_an_invalid_address_is_named(stack: Settings) -> None:
    with pytest.raises(UsageError, match=r"WGAN_SERVING_URLS: 'localhost:8080' is not an address"):
        serving_urls(watched(stack, "http://a:1", "localhost:8080"))


@flow(name="promote and confirm")
def promote_and_confirm(version: ModelVersionRef) -> tuple[LedgerEntry, tuple[ServingCheck, ...]]:
    """The end of both flows."""
    moved = promote_generator(version, ALLOWED)
    checks = confirm_serving(moved)
    return roll_back_refused(moved, checks), checks


def test_a_version_that_serving_refuses_is_rolled_back_with_the_reason(
    server: Serving,
    versions: list[ModelVersionRef],
    stack: Settings,
    storage: Storage,
    stack_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    give_another_sample(stack, versions[1].model_name, versions[1].version)
    monkeypatch.setenv("WGAN_SERVING_URLS", url(server))
    version = versions[1].model_copy(
        update={"evaluation": versions[1].evaluation.model_copy(update={"champion_version": 1})}
    )
    save_result_storage()
    with temporary_settings({PREFECT_LOGGING_TO_API_ENABLED: False}):  # else this process sends logs to its very end
        outcome, checks = promote_and_confirm(version)
    assert checks[0].outcome == "refused"
    assert (outcome.action, outcome.from_version, outcome.to_version) == ("rolled-back", 2, 1)
    assert outcome.reason.startswith(f"serving refused version 2 ({url(server)}: it could not take the version")
    assert client_of(stack).get_model_version_by_alias(version.model_name, "champion").version == "1"
    assert [entry.action for entry in ledger.read(version.model_name, storage, stack)] == [
        "promoted",
        "promoted",
        "rolled-back",
    ]
    assert server.version() == "1"


def test_a_fault_of_one_serving_process_says_nothing_about_the_version(
    server: Serving, versions: list[ModelVersionRef], stack: Settings, storage: Storage, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").touch()  # the server can no longer put a version on its disk
    moved = promoted(versions[1], 1, stack, storage)
    (check,) = confirm_promotion(moved, watched(stack, url(server), seconds=10))
    assert check.outcome == "unconfirmed"
    assert "the cache folder cannot be written" in check.reason
    assert (server.version(), server.ready()["aliases"]["champion"]["fault"]) == ("1", "process")  # type: ignore[index]
