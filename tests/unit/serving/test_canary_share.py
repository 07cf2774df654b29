"""Which requests a challenger draws in its canary: its share of them, the same ones each time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from wgan.config_promotion import CanaryConfig
from wgan.model_version.way import canary_percent, way_text
from wgan.records import Action, LedgerEntry, ReleasePlan
from wgan.serving.models import LoadedModel, ServedModels, choose, place_of
from wgan.serving.registry import RegistryVersion

WHEN = datetime(2026, 3, 4, tzinfo=UTC)


def loaded(version: int) -> LoadedModel:
    return LoadedModel(
        RegistryVersion("generator-x", version, f"models:/{version}", WHEN, {}), cast(Any, None), cast(Any, None), WHEN
    )


def in_canary(percent: float = 10.0, version: int = 3) -> ServedModels:
    return ServedModels("champion", main=loaded(2), challenger=loaded(3), canary=(version, percent))


def versions(models: ServedModels, mode: str = "header", asked: str | None = None, percent: float = 0.0) -> list[int]:
    return [choose(models, asked, mode, percent, f"{seed}")[0].version.version for seed in range(4000)]


def test_a_challenger_draws_its_share_of_the_seeds() -> None:
    # Binomial(4000, 0.1): a standard deviation of 0.47 %; four of them.
    assert versions(in_canary()).count(3) / 4000 == pytest.approx(0.1, abs=0.019)


def test_a_seed_gets_the_same_version_every_time_and_in_every_process() -> None:
    assert versions(in_canary()) == versions(in_canary())
    # SHA-256 of "3 7" begins with 0x202a…; as computed by sha256sum.
    assert place_of("7", 3) == pytest.approx(100 * int("202a2574485b24b9", 16) / 2**64)


def test_a_larger_share_draws_for_the_same_seeds_and_more() -> None:
    few, many = versions(in_canary(10)), versions(in_canary(30))
    assert all(more == 3 for less, more in zip(few, many, strict=True) if less == 3)


def test_every_canary_meets_other_clients() -> None:
    first, second = ([place_of(f"client {n}", version) < 10 for n in range(2000)] for version in (3, 4))
    both = sum(one and other for one, other in zip(first, second, strict=True))
    assert both < 60  # 1 % of 2000 is 20, with a deviation of 4.5


def test_who_asks_for_an_alias_gets_it() -> None:
    assert set(versions(in_canary(100), asked="champion")) == {2}
    assert set(versions(in_canary(0), asked="challenger")) == {3}


def test_the_share_of_a_canary_comes_before_that_of_a_split() -> None:
    assert versions(in_canary(10), "split", percent=100.0).count(3) < 1000
    assert set(versions(in_canary(0, version=9), "split", percent=100.0)) == {3}


def test_a_process_that_has_another_challenger_loaded_sends_it_nothing() -> None:
    assert set(versions(in_canary(100, version=4))) == {2}


@pytest.mark.parametrize(
    ("action", "percent"), [("passed", 0.0), ("canary", 25.0), ("refused", 0.0), ("promoted", 0.0)]
)
def test_the_share_is_read_from_the_versions_tag(action: Action, percent: float) -> None:
    entry = LedgerEntry(
        id="0" * 12, number=7, model_name="generator-x", action=action, time=WHEN, from_version=2, to_version=3,
        reason="why", plan=ReleasePlan(canary=CanaryConfig(percent=25)),
    )  # fmt: skip
    assert canary_percent({"way": way_text(entry)}) == percent
    assert canary_percent({}) == 0.0
