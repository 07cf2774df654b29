"""A schedule is shown as the server has it, including edits on Prefect's page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule, NoSchedule, RRuleSchedule

from wgan.commands import schedule as command
from wgan.config_reading import load_config
from wgan.prefect_server.schedule_listing import ScheduleEntry, entry_of
from wgan.prefect_server.stored_deployments import Deployment, DeploymentClock, FlowRun

CRON = CronSchedule(cron="0 3 * * 1", timezone="Europe/Berlin")
INTERVAL = IntervalSchedule(interval=6 * 3600, anchor_date=datetime(2026, 1, 1, tzinfo=UTC), timezone="UTC")
RRULE = RRuleSchedule(rrule="FREQ=DAILY;COUNT=3", timezone="UTC")


def clock(schedule: Any, active: bool = True) -> DeploymentClock:
    """One of Prefect's schedules, as parsed here."""
    return DeploymentClock.model_validate({"schedule": schedule.model_dump(mode="json"), "active": active})


def deployment(**values: Any) -> Deployment:
    config = load_config("digits").model_dump(mode="json")
    return Deployment.model_validate({"id": "one", "name": "digits", "parameters": {"config": config}, **values})


def entry(*runs: FlowRun, **values: Any) -> ScheduleEntry:
    return entry_of(deployment(**values), runs)


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (CRON, "0 3 * * 1 Europe/Berlin"),
        (INTERVAL, "every 6:00:00 from 2026-01-01 00:00 UTC"),
        (RRULE, "FREQ=DAILY;COUNT=3 UTC"),
    ],
)
def test_every_kind_of_timing_is_described(schedule: Any, words: str) -> None:
    assert str(clock(schedule)) == words
    assert str(clock(schedule, active=False)) == f"{words} (off)"


def test_several_timings_are_all_listed() -> None:
    found = entry(schedules=[clock(INTERVAL), clock(CRON)], work_pool_name="wgan")
    assert found.when == ("every 6:00:00 from 2026-01-01 00:00 UTC", "0 3 * * 1 Europe/Berlin")
    assert (found.cron, found.timezone) == ("0 3 * * 1", "Europe/Berlin")


def test_a_schedule_whose_tags_were_edited_retrains_what_its_parameters_say() -> None:
    assert entry(tags=["model:another"]).model_name == "generator-digits"


@pytest.mark.parametrize("schedules", [[], [clock(NoSchedule(), active=False)]])
def test_without_a_timing_it_runs_on_demand_only(schedules: list[DeploymentClock]) -> None:
    assert entry(schedules=schedules).when == ("on demand only",)


def test_the_last_run_is_the_newest_started_one_and_the_next_the_first_due_one() -> None:
    def run(hour: int, state: str, deployment_id: str = "one") -> FlowRun:
        due = datetime(2026, 1, 1, hour, tzinfo=UTC)
        return FlowRun(
            deployment_id=deployment_id,
            state_type=state.upper(),
            state_name=state,
            next_scheduled_start_time=due if state == "Scheduled" else None,
        )

    runs = [
        run(9, "Scheduled"),
        run(8, "Scheduled"),
        run(7, "Failed", "another"),
        run(6, "Completed"),
        run(5, "Failed"),
    ]
    found = entry(*runs)
    assert found.next_run == datetime(2026, 1, 1, 8, tzinfo=UTC)
    assert found.last_run == "Completed"
    assert entry(*runs, paused=True).next_run is None


def test_a_schedule_without_its_work_pool_is_not_active(capsys: pytest.CaptureFixture[str]) -> None:
    command._show([entry(schedules=[clock(CRON)], work_pool_name=None)])
    assert "its work pool is gone" in capsys.readouterr().out
