"""Champions that fail after their promotion, on real servers: the watch takes them back by itself, with the figures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drills.release_scene import ReleaseScene, release_scene
from tests.integration.released_versions import (
    draw_what_fails,
    failing_export,
)
from tests.integration.serving_process import give_another_sample, register, register_exported, serving
from tests.integration.stack_commands import wait_for
from tests.integration.worker_process import wait_for_end, worker
from wgan.records import ReleasePlan
from wgan.registry.aliases import model_aliases
from wgan.settings import Settings
from wgan.storage import Storage

pytestmark = pytest.mark.slow(minutes=3)
MOST_MINUTES = 30.0


@pytest.fixture(scope="module")
def scene(stack: Settings, storage: Storage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReleaseScene]:
    with release_scene("watched champions", stack, storage, tmp_path_factory.mktemp("releases")) as opened:
        yield opened


def test_a_champion_that_fails_a_request_goes_back_by_itself_with_the_figures(
    scene: ReleaseScene, tmp_path: Path
) -> None:
    model = scene.models[0]
    before = model_aliases(model, scene.settings)["champion"]
    failing = register_exported(
        scene.settings, failing_export(tmp_path / "failing", 7), model.removeprefix("generator-")
    ).version
    with worker(scene.settings, tmp_path, **scene.worker_variables()):
        run_id = scene.release(model, failing, ReleasePlan(watch_minutes=MOST_MINUTES))
        scene.wait_for_step(run_id, "watch champion")
        assert draw_what_fails(scene.serving, model).status_code == 500
        ended = wait_for_end(scene.settings, run_id)
    assert ended["state_name"] == "Refused"
    taken_back = scene.last(model)
    assert (taken_back.action, taken_back.from_version, taken_back.to_version) == ("rolled-back", failing, before)
    assert taken_back.actor == "watch"
    assert re.search(r": 1 of \d requests failed\.$", taken_back.reason)
    assert model_aliases(model, scene.settings)["champion"] == before
    wait_for(lambda: draw_what_fails(scene.serving, model).status_code == 200, 60)


def test_a_champion_that_a_replica_cannot_take_into_service_goes_back_by_itself(
    scene: ReleaseScene, tmp_path: Path
) -> None:
    model = scene.models[0]
    before = model_aliases(model, scene.settings)["champion"]
    damaged = register(scene.settings, tmp_path, model.removeprefix("generator-"), 9).version
    with worker(scene.settings, tmp_path, **scene.worker_variables()):
        run_id = scene.release(model, damaged, ReleasePlan(watch_minutes=MOST_MINUTES))
        scene.wait_for_step(run_id, "watch champion")
        give_another_sample(scene.settings, model, damaged)
        with serving(scene.settings, model, tmp_path, "--port", str(scene.replica_port)):  # without a cache
            ended = wait_for_end(scene.settings, run_id)
    assert ended["state_name"] == "Refused"
    taken_back = scene.last(model)
    assert (taken_back.action, taken_back.to_version, taken_back.actor) == ("rolled-back", before, "watch")
    assert f"http://127.0.0.1:{scene.replica_port} could not take it into service" in taken_back.reason
    assert model_aliases(model, scene.settings)["champion"] == before
