"""A canary and the watch after a promotion: what serving processes report decides how they end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.unit.registry.registry_in_memory import Process, Servers
from wgan.canary.counters import Counters, Reading
from wgan.canary.observation import Observation
from wgan.config_promotion import CanaryConfig
from wgan.errors import UsageError, WganError
from wgan.records import Action, LedgerEntry, ReleasePlan
from wgan.settings import Settings
from wgan.steps import serving_reading, watch_canary, watch_champion

EDGES = (0.1, 1.0, float("inf"))
RULES = CanaryConfig(minutes=30, longest_minutes=60, min_requests=50)
PLAN = ReleasePlan(canary=RULES, watch_minutes=10)
Report = tuple[Counters, Counters, str | None]
"""Of version 2, of version 1, and why the process refuses version 2."""


def entry(action: Action, minutes_ago: float, champion: int | None = 1) -> LedgerEntry:
    return LedgerEntry(
        id="e" * 12, number=7, model_name="generator-x", action=action, reason="as a test", plan=PLAN,
        time=datetime.now(UTC) - timedelta(minutes=minutes_ago), from_version=champion, to_version=2,
    )  # fmt: skip


def drawn(requests: int, slow: bool = False, failures: int = 0) -> Counters:
    return Counters(
        requests=requests, failures=failures, bounds=EDGES, counts=(0, requests, 0) if slow else (requests, 0, 0)
    )


class Scene:
    """Two serving processes, a registry and a bucket; `reports` says what each process counted since the beginning."""

    def __init__(self) -> None:
        self.settings = Settings(_env_file=None, serving_urls="http://a,http://b")
        self.storage = Process(Servers()).storage
        self.aliases = {"champion": 1, "challenger": 2}
        self.standing: LedgerEntry | None = None
        self.reports: dict[str, Report | Exception] = {}
        self.are_old = False
        """Whether the processes were there before the canary or the watch."""

    def canary(self, minutes_ago: float, champion: int | None = 1) -> Any:
        began = entry("canary", minutes_ago, champion)
        self.standing = self.standing or began
        return watch_canary.watch_canary(began, self.settings, self.storage)

    def watch(self, minutes_ago: float) -> Any:
        return watch_champion.watch_champion(entry("promoted", minutes_ago), self.settings, self.storage)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    found = Scene()

    def read(url: str, seen: Observation, *_: object) -> tuple[Observation, str | None]:
        report = found.reports.get(url, httpx.ConnectError("refused"))
        if isinstance(report, Exception):
            raise report
        started = 0.0 if found.are_old else seen.began + 1
        reading = Reading(started=started, versions={2: report[0], 1: report[1]})
        return seen.after(url, reading), report[2]

    def aliases(*_: object) -> dict[str, int]:
        return found.aliases

    monkeypatch.setattr(serving_reading, "read_process", read)
    for module in (watch_canary, watch_champion):
        monkeypatch.setattr(module, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(watch_canary, "standing", lambda *_: found.standing)
    monkeypatch.setattr(watch_canary, "model_aliases", aliases)
    monkeypatch.setattr(watch_champion, "champion_version", lambda *_: found.aliases.get("champion"))
    return found


def test_a_good_challenger_is_good_once_its_minutes_are_over(scene: Scene) -> None:
    scene.reports = {"http://a": (drawn(40), drawn(400), None), "http://b": (drawn(60), drawn(600), None)}
    end = scene.canary(minutes_ago=31)
    assert end.outcome == "good"
    assert (end.figures.challenger.requests, end.figures.champion.requests) == (100, 1000)  # of both processes
    assert end.figures.processes == 2


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        ((drawn(60, slow=True), drawn(600), None), "slower than the 1.5 times"),
        ((drawn(60, failures=5), drawn(600), None), "5 of 65 requests failed, of the champion's 0 of 600"),
        ((drawn(0), drawn(10), "could not take it into service: damaged"), "http://a could not take it into service"),
    ],
)
def test_a_worse_challenger_ends_its_canary_at_once(scene: Scene, report: Report, reason: str) -> None:
    scene.reports = {"http://a": report}  # the other process is dead
    end = scene.canary(minutes_ago=1)
    assert end.outcome == "worse"
    assert reason in end.reason


def test_a_canary_with_too_few_requests_ends_undecided_at_its_longest(scene: Scene) -> None:
    scene.reports = {"http://a": (drawn(5), drawn(500), None)}
    end = scene.canary(minutes_ago=61)
    assert end.outcome == "undecided"
    assert "5 requests of the challenger and 500 of the champion are fewer than the 50" in end.reason


def test_a_run_that_was_killed_continues_with_what_it_had_counted(scene: Scene) -> None:
    scene.reports = {"http://a": (drawn(30), drawn(300), None)}
    assert scene.canary(minutes_ago=61).outcome == "undecided"
    # Process a is gone since, with its counters; what it had counted is in the bucket.
    scene.reports = {"http://b": (drawn(40), drawn(400), None)}
    end = scene.canary(minutes_ago=61)
    assert (end.outcome, end.figures.challenger.requests, end.figures.champion.requests) == ("good", 70, 700)


@pytest.mark.parametrize(
    ("aliases", "reason"),
    [
        ({"champion": 1}, "The alias challenger was removed outside this pipeline."),
        ({"champion": 3, "challenger": 2}, "is now version 3, but version 2 was compared with version 1"),
    ],
)
def test_a_canary_ends_when_somebody_moves_an_alias(scene: Scene, aliases: dict[str, int], reason: str) -> None:
    scene.aliases = aliases
    end = scene.canary(minutes_ago=1)
    assert end.outcome == "changed"
    assert reason in end.reason


def test_a_canary_ends_when_a_person_refuses_the_version(scene: Scene) -> None:
    scene.standing = entry("refused", 0).model_copy(update={"id": "f" * 12, "reason": "it draws a watermark"})
    end = scene.canary(minutes_ago=1)
    assert (end.outcome, end.reason) == ("changed", "it draws a watermark")


def test_a_canary_of_a_deleted_version_ends(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise UsageError("generator-x has no version 2: there are 1.")

    monkeypatch.setattr(watch_canary, "standing", gone)
    assert scene.canary(minutes_ago=1).outcome == "changed"


def test_a_canary_survives_a_registry_that_does_not_answer(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Callable[[], LedgerEntry]] = []

    def standing(*_: object) -> LedgerEntry:
        answers.append(lambda: entry("canary", 31))
        if len(answers) < 3:
            raise WganError("the MLflow server does not answer.")
        raise UsageError("it is gone.")

    monkeypatch.setattr(watch_canary, "standing", standing)
    scene.reports = {"http://a": (drawn(1), drawn(1), None)}
    assert scene.canary(minutes_ago=1).reason == "it is gone."
    assert len(answers) == 3


def test_a_first_version_has_no_canary(scene: Scene) -> None:
    assert scene.canary(minutes_ago=0, champion=None).outcome == "good"


def test_without_serving_processes_a_canary_is_undecided(scene: Scene) -> None:
    scene.settings = Settings(_env_file=None, serving_urls="")
    assert scene.canary(minutes_ago=0).outcome == "undecided"


def test_a_watch_without_a_fault_keeps_the_champion(scene: Scene) -> None:
    scene.aliases = {"champion": 2, "previous": 1}
    scene.reports = {"http://a": (drawn(100), drawn(0), None)}
    end = scene.watch(minutes_ago=11)
    assert end.outcome == "kept"
    assert end.reason == (
        "Nothing was wrong after the promotion: 0 of 100 requests failed; 1 of 2 serving processes answered."
    )


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        ((drawn(9, failures=1), drawn(0), None), "version 2: 1 of 10 requests failed."),
        ((drawn(9), drawn(0), "could not take it into service: damaged"), "http://a could not take it into service"),
    ],
)
def test_a_fault_ends_the_watch_at_once(scene: Scene, report: Report, reason: str) -> None:
    scene.aliases = {"champion": 2, "previous": 1}
    scene.reports = {"http://a": report}
    end = scene.watch(minutes_ago=1)
    assert end.outcome == "fault"
    assert reason in end.reason


def test_a_failure_before_the_watch_looks_for_the_first_time_counts(scene: Scene) -> None:
    scene.are_old, scene.aliases = True, {"champion": 2, "previous": 1}
    scene.reports = {"http://a": (drawn(50, failures=3), drawn(10), None)}  # in its canary
    before = watch_champion.count_before(entry("canary", 1), scene.settings)
    assert before is not None
    watch_champion.begin_watch(entry("promoted", 1), before, scene.settings, scene.storage)
    scene.reports = {"http://a": (drawn(60, failures=4), drawn(10), None)}
    assert "1 of 11 requests failed" in scene.watch(minutes_ago=1).reason


def test_a_watch_that_was_killed_does_not_begin_to_count_again(scene: Scene) -> None:
    scene.are_old, scene.aliases = True, {"champion": 2, "previous": 1}
    for counted in (drawn(10), drawn(20, failures=1)):  # the second time after a kill
        scene.reports = {"http://a": (counted, drawn(10), None)}
        before = watch_champion.count_before(entry("promoted", 1), scene.settings)
        assert before is not None
        watch_champion.begin_watch(entry("promoted", 1), before, scene.settings, scene.storage)
    assert "1 of 11 requests failed" in scene.watch(minutes_ago=1).reason


def test_without_a_watch_nothing_is_counted_before_a_promotion(scene: Scene) -> None:
    unwatched = entry("canary", 1).model_copy(update={"plan": ReleasePlan(canary=RULES)})
    assert watch_champion.count_before(unwatched, scene.settings) is None


def test_a_watch_ends_when_another_version_becomes_the_champion(scene: Scene) -> None:
    scene.aliases = {"champion": 3}
    assert scene.watch(minutes_ago=1).outcome == "changed"


def test_a_processes_own_fault_says_nothing_about_the_version() -> None:
    faults = {"wanted": 2, "version_faults": 0, "failures": 9, "fault": "process", "stale": "the disk is full."}
    mine = httpx.Response(200, json={"aliases": {"champion": faults}})
    assert serving_reading._refusal(mine, entry("promoted", 1), "champion") is None
    version = httpx.Response(200, json={"aliases": {"champion": {**faults, "version_faults": 2, "stale": "damaged"}}})
    refusal = serving_reading._refusal(version, entry("promoted", 1), "champion")
    assert refusal == "could not take it into service: damaged"
    assert serving_reading._refusal(httpx.Response(200, json={"aliases": {}}), entry("promoted", 1), "champion") is None
