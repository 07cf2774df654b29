"""A schedule is shown as the server has it, whatever was done to it on Prefect's page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule

from flows import deployments
from flows.deployments import ScheduleEntry, clock_in_words
from wgan.commands import schedule as command
from wgan.config_reading import load_config

CRON = CronSchedule(cron="0 3 * * 1", timezone="Europe/Berlin")
INTERVAL = IntervalSchedule(interval=timedelta(hours=6), anchor_date=datetime(2026, 1, 1, tzinfo=UTC), timezone="UTC")
RRULE = RRuleSchedule(rrule="FREQ=DAILY;COUNT=3", timezone="UTC")


class Server:
    """A client that knows one deployment, and no runs."""

    def __init__(self, **values: Any) -> None:
        config = load_config("digits").model_dump(mode="json")
        given = {"id": uuid4(), "name": "digits", "flow_id": uuid4(), "parameters": {"config": config}, **values}
        self.deployment = DeploymentResponse.model_validate(given)

    def read_deployments(self, **filters: Any) -> list[DeploymentResponse]:
        assert "deployment_filter" not in filters, "tags can be edited by anybody"
        return [self.deployment]

    def read_flow_runs(self, **filters: Any) -> list[Any]:
        return []


def entry_of(monkeypatch: pytest.MonkeyPatch, **values: Any) -> ScheduleEntry:
    server = Server(**values)

    class Context:
        def __enter__(self) -> SyncPrefectClient:
            return cast(SyncPrefectClient, server)

        def __exit__(self, *arguments: object) -> None:
            pass

    monkeypatch.setattr(deployments, "get_client", lambda sync_client: Context())
    (entry,) = deployments.list_schedules()
    return entry


def clocks(*schedules: Any) -> list[Any]:
    return [{"id": uuid4(), "schedule": schedule, "active": True} for schedule in schedules]


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (CRON, "0 3 * * 1 Europe/Berlin"),
        (INTERVAL, "every 6:00:00 from 2026-01-01 00:00 UTC"),
        (RRULE, "FREQ=DAILY;COUNT=3 UTC"),
    ],
)
def test_every_kind_of_clock_has_words(schedule: Any, words: str) -> None:
    assert clock_in_words(schedule) == words
    assert clock_in_words(schedule, active=False) == f"{words} (off)"


def test_of_several_clocks_all_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = entry_of(monkeypatch, schedules=clocks(INTERVAL, CRON), work_pool_name="wgan")
    assert entry.when == ("every 6:00:00 from 2026-01-01 00:00 UTC", "0 3 * * 1 Europe/Berlin")


def test_a_schedule_whose_tags_were_edited_is_still_one(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = entry_of(monkeypatch, tags=["somebody's own"], schedules=clocks(CRON), work_pool_name="wgan")
    assert (entry.name, entry.model_name) == ("digits", "generator-digits")


def test_without_a_clock_it_runs_by_hand_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert entry_of(monkeypatch, schedules=[], work_pool_name="wgan").when == ("by hand only",)


def test_a_schedule_whose_work_pool_is_gone_is_not_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command._show([entry_of(monkeypatch, schedules=clocks(CRON), work_pool_name=None)])
    shown = capsys.readouterr().out
    assert "its work pool is gone" in shown
