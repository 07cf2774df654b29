"""Versions on their way to production on real servers, whose runs and workers are killed.

One process serves all models. Every version goes on where it was, and the ledger tells each step once.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.drills.release_scene import ReleaseScene, release_scene
from tests.integration.command_line import json_of
from tests.integration.released_versions import (
    answered_on_the_page,
    asking,
    canary_percent,
    draws,
    wait_for_suspension,
)
from tests.integration.serving_process import register
from tests.integration.stack_commands import wait_for
from tests.integration.worker_process import PATIENCE, Worker, flow_run, wait_for_end, worker
from wgan.config_promotion import CanaryConfig
from wgan.records import ReleasePlan
from wgan.registry.aliases import model_aliases
from wgan.settings import Settings
from wgan.storage import Storage

pytestmark = pytest.mark.slow(minutes=4)
MOST_MINUTES = 30.0
LENIENT = CanaryConfig(percent=50, minutes=0.05, longest_minutes=MOST_MINUTES, min_requests=100, latency_factor=100)
"""It ends with the number of requests; other work on this machine does not decide."""


@pytest.fixture(scope="module")
def scene(stack: Settings, storage: Storage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReleaseScene]:
    with release_scene("killed releases", stack, storage, tmp_path_factory.mktemp("releases")) as opened:
        yield opened


def kill(running: Worker) -> None:
    """SIGKILL to every run of the worker."""
    processes = running.runs()
    assert processes
    for process in processes:
        process.kill()
    psutil.wait_procs(processes, 30)


def begin(scene: ReleaseScene, version: int, folder: Path) -> tuple[str, str, str]:
    """One release each that waits for approval, is in its canary, and is watched after its promotion.

    The canary lasts until the test asks for enough pictures.
    """
    asked, tried, watched = scene.models
    for model in scene.models:
        register(scene.settings, folder, model.removeprefix("generator-"), version)
    first = scene.release(asked, version, ReleasePlan(approval=True))
    second = scene.release(tried, version, ReleasePlan(canary=LENIENT))
    wait_for_suspension(scene.settings, first)
    scene.wait_for_step(second, "watch canary")
    third = scene.release(watched, version, ReleasePlan(watch_minutes=1))
    while not scene.counted(tried):
        draws(scene.serving, tried)
    scene.wait_for_step(third, "watch champion")
    return first, second, third


def test_runs_that_are_killed_go_on_where_they_were_and_tell_each_step_once(
    scene: ReleaseScene, tmp_path: Path
) -> None:
    asked, tried, watched = scene.models
    with worker(scene.settings, tmp_path, "--limit", "3", **scene.worker_variables()) as running:
        runs = begin(scene, 2, tmp_path)
        counted = scene.counted(tried)
        kill(running)
        scene.wait_for_step(runs[1], "watch canary", start=2)
        assert canary_percent(scene.serving, tried) == LENIENT.percent
        # The answer wakes the run that waited, and it is killed as soon as it is there.
        answered_on_the_page(scene.settings, runs[0], decision="approve", name="ada", reason="both grids look right")
        wait_for(lambda: flow_run(scene.settings, runs[0])["state_name"] == "Running", PATIENCE)
        kill(running)
        with asking(scene.serving, tried):
            ended = [wait_for_end(scene.settings, run_id) for run_id in runs]
    assert [run["state_name"] for run in ended] == ["Completed"] * 3
    # Prefect does not count the start after a wait.
    assert [run["run_count"] >= starts for run, starts in zip(ended, (2, 3, 2), strict=True)] == [True] * 3
    assert scene.steps(asked) == [("promoted", 1), ("passed", 2), ("approved", 2), ("promoted", 2)]
    assert scene.steps(tried) == [("promoted", 1), ("passed", 2), ("canary", 2), ("promoted", 2)]
    assert scene.steps(watched) == [("promoted", 1), ("passed", 2), ("promoted", 2), ("kept", 2)]
    figures = scene.last(tried).figures
    assert figures is not None
    assert figures.challenger.requests + figures.champion.requests > counted > 0
    assert not list(scene.storage.list(f"{scene.settings.releases_prefix}/{tried}/"))


@pytest.mark.long
def test_releases_go_on_at_another_worker_after_theirs_has_died_in_every_step(
    scene: ReleaseScene, tmp_path: Path
) -> None:
    """Nothing is left to report the death: the runs are silent for minutes before they count as crashed."""
    asked, tried, watched = scene.models
    before = {model: len(scene.steps(model)) for model in scene.models}
    version = 1 + model_aliases(asked, scene.settings)["champion"]
    with worker(scene.settings, tmp_path, "--limit", "3", **scene.worker_variables()) as doomed:
        runs = begin(scene, version, tmp_path)
        doomed.kill_with_its_runs()
    json_of(scene.settings, "approve", asked, str(version), "--reason", "while no worker is there")
    with (
        worker(scene.settings, tmp_path, "--limit", "3", **scene.worker_variables()),
        asking(scene.serving, tried),
    ):
        ended = [wait_for_end(scene.settings, run_id) for run_id in runs]
    assert [run["state_name"] for run in ended] == ["Completed"] * 3
    assert [run["run_count"] for run in ended] == [1, 2, 2]  # Prefect does not count the start after a wait
    told = {model: scene.steps(model)[before[model] :] for model in scene.models}
    assert told == {
        asked: [("passed", version), ("approved", version), ("promoted", version)],
        tried: [("passed", version), ("canary", version), ("promoted", version)],
        watched: [("passed", version), ("promoted", version), ("kept", version)],
    }
