"""Housekeeping on real servers: what is removed and what is kept, and why. Time passes by setting a later day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import AwaitingRetry, Cancelled, Completed, Crashed, Failed, Paused

from flows.housekeeping import housekeeping
from tests.conftest import free_ports
from tests.integration.command_line import json_of, quick
from tests.integration.housekeeping_scene import Scene, new_scene
from tests.integration.stack_commands import run
from wgan.errors import StorageError, WganError
from wgan.housekeeping.checkpoints import expire_checkpoints
from wgan.housekeeping.datasets import expire_datasets
from wgan.housekeeping.evaluation import expire_evaluation
from wgan.housekeeping.results import expire_results
from wgan.housekeeping.survey import BACKUP_MARKER, backup_under_way, survey
from wgan.housekeeping.uploads import abort_abandoned_uploads
from wgan.registry.versions import load_version
from wgan.settings import Settings
from wgan.storage import Storage
from wgan.tracking.client import tracking_client
from wgan.tracking.runs import start_or_resume_run


@pytest.fixture
def scene(stack: Settings, tmp_path: Path) -> Iterator[Scene]:
    made = new_scene(stack, tmp_path)
    yield made
    made.forget_flow_runs()


@pytest.fixture(scope="module")
def retrained(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> tuple[Scene, Any]:
    """A scene with one retraining in it, and the command's JSON."""
    made = new_scene(stack, tmp_path_factory.mktemp("retrained"))
    answer = json_of(stack, "retrain", "--no-promote", *quick("housekept"), **environment(made))
    return made, answer


def environment(scene: Scene, **more: str) -> dict[str, str]:
    """Points the commands at the scene's bucket and cache."""
    return {"WGAN_BUCKET": scene.settings.bucket, "WGAN_CACHE_DIR": str(scene.settings.cache), **more}


@pytest.mark.parametrize("state", [Completed(), Failed(), Cancelled()], ids=lambda state: state.name)
def test_checkpoints_of_a_finished_run_are_kept_seven_days(scene: Scene, state: State) -> None:
    run_id = scene.flow_run(state)
    scene.checkpoint(run_id)
    early = expire_checkpoints(scene.survey(days=6.9))
    assert (early.removed, early.kept) == (0, {"the run finished less than 7 days ago": 1})
    late = expire_checkpoints(scene.survey(days=7.1))
    assert (late.removed, late.removed_files, late.removed_bytes) == (1, 2, 10)
    assert late.names == (f"checkpoints/{run_id}/",)
    assert scene.keys("checkpoints/") == set()


@pytest.mark.parametrize(
    "states",
    [(), (Crashed(),), (Failed(), AwaitingRetry()), (Paused(),)],
    ids=["Running", "Crashed", "AwaitingRetry", "Paused"],
)
def test_checkpoints_of_a_run_that_may_continue_are_kept_at_any_age(scene: Scene, states: tuple[State, ...]) -> None:
    run_id = scene.flow_run(*states)
    scene.checkpoint(run_id)
    report = expire_checkpoints(scene.survey(days=1000))
    assert report.removed == 0
    assert [reason.split(" (")[0] for reason in report.kept] == ["the run may continue"]
    assert scene.runs_with_checkpoints() == {run_id}


def test_checkpoints_unknown_to_prefect_expire_by_age_and_other_folders_stay(scene: Scene) -> None:
    unknown = str(uuid4())
    scene.checkpoint(unknown)
    scene.checkpoint("by-hand")
    assert expire_checkpoints(scene.survey(days=6.9)).kept["unknown to Prefect, younger than 7 days"] == 1
    report = expire_checkpoints(scene.survey(days=7.1))
    assert (report.names, report.kept) == ((f"checkpoints/{unknown}/",), {"not part of a flow run": 1})
    assert scene.runs_with_checkpoints() == {"by-hand"}


def test_the_origin_of_a_registered_version_is_kept_for_ever(retrained: tuple[Scene, Any]) -> None:
    scene, _ = retrained
    before = scene.keys("")
    later = scene.survey(days=10_000)
    checkpoints, datasets = expire_checkpoints(later), expire_datasets(later)
    evaluation = expire_evaluation(later, datasets)
    assert checkpoints.kept == {"a registered version came from the run": 1}
    assert datasets.kept == {"a registered version was trained on it": 1}
    assert set(evaluation.kept) == {"the data set exists"}
    assert scene.keys("") == before
    version = load_version("generator-housekept", 1, scene.settings)
    assert version.evaluation.training.checkpoint_uri.rpartition(f"{scene.settings.bucket}/")[2] in before
    assert version.evaluation.training.dataset.uri.rpartition(f"{scene.settings.bucket}/")[2] in before


def test_a_version_whose_tags_were_deleted_is_traced_through_its_run(retrained: tuple[Scene, Any]) -> None:
    scene, _ = retrained
    client = tracking_client(scene.settings)
    tags = dict(client.get_model_version("generator-housekept", "1").tags)
    gone = ("data_digest", "flow_run_id", "checkpoint_uri")
    for tag in gone:
        client.delete_model_version_tag("generator-housekept", "1", tag)
    try:
        later = scene.survey(days=10_000)
        assert expire_checkpoints(later).kept == {"a registered version came from the run": 1}
        assert expire_datasets(later).kept == {"a registered version was trained on it": 1}
    finally:
        for tag in gone:
            client.set_model_version_tag("generator-housekept", "1", tag, tags[tag])


def test_an_unreferenced_data_set_is_removed_after_thirty_days_with_its_evaluation_caches(scene: Scene) -> None:
    data = scene.dataset("unwanted")
    scene.storage.put_bytes(f"evaluation/reference-1/{data.digest}/protocol.npz", b"123")
    scene.storage.put_bytes(f"evaluation/classifiers/{data.digest}/definition.safetensors", b"4567")
    scene.storage.put_bytes("evaluation/notes.txt", b"")
    early = expire_datasets(scene.survey(days=29.9))
    assert (early.removed, early.kept) == (0, {"younger than 30 days": 1})
    assert expire_evaluation(scene.survey(days=29.9), early).kept == {
        "the data set exists": 1,
        "not part of a data set": 1,
    }
    late = scene.survey(days=30.1)
    datasets = expire_datasets(late)
    assert datasets.names == (f"datasets/unwanted/{data.digest}/",)
    evaluation = expire_evaluation(late, datasets)
    assert (evaluation.removed, evaluation.removed_files, evaluation.removed_bytes) == (1, 2, 7)
    assert scene.keys("") == {"evaluation/notes.txt"}


def test_a_dry_run_counts_the_same_and_removes_nothing(scene: Scene) -> None:
    data = scene.dataset("unwanted")
    scene.storage.put_bytes(f"evaluation/reference-1/{data.digest}/protocol.npz", b"123")
    scene.checkpoint(scene.flow_run(Completed()))
    before = scene.keys("")
    outcomes = []
    for dry_run in (True, False):
        later = scene.survey(days=31, dry_run=dry_run)
        datasets = expire_datasets(later)
        outcomes.append([expire_checkpoints(later), datasets, expire_evaluation(later, datasets)])
        assert scene.keys("") == (before if dry_run else set())
    assert outcomes[0] == outcomes[1]
    assert [rule.removed for rule in outcomes[0]] == [1, 1, 1]


def test_no_data_set_is_removed_during_a_retraining(scene: Scene) -> None:
    scene.dataset("unwanted")
    scene.flow_run()
    assert expire_datasets(scene.survey(days=31)).kept == {"a retrain run is in progress": 1}
    scene.forget_flow_runs()
    scene.flow_run(reads_data=False)
    assert expire_datasets(scene.survey(days=31)).removed == 1


def test_a_data_set_stays_if_a_retraining_starts_just_before_its_removal(scene: Scene) -> None:
    scene.dataset("unwanted")
    later = scene.survey(days=31)
    looks = 0

    def read_references(flow_run_ids: Any) -> Any:
        nonlocal looks
        looks += 1
        if looks == 2:
            scene.flow_run()
        return later.read_references(flow_run_ids)

    report = expire_datasets(type(later)(later.settings, later.storage, read_references, later.now, dry_run=False))
    assert report.kept == {"a retrain run is in progress": 1}
    assert {key.rsplit("/", 1)[-1] for key in scene.keys("datasets/")} >= {"manifest.json", "images-00000.npy"}


def test_a_crashed_run_keeps_the_data_it_names_until_it_has_trained_then_the_data_it_trained_on(
    scene: Scene,
) -> None:
    older, newer = scene.dataset("watched", 64), scene.dataset("watched", 96)
    scene.dataset("other")
    crashed = scene.flow_run(Crashed(), data_name="watched")
    report = expire_datasets(scene.survey(days=31, dry_run=True))
    assert report.kept == {"a run that may continue refers to it": 2}
    assert report.removed == 1
    start_or_resume_run(scene.settings, crashed, "housekeeping", {}, {"wgan.data_digest": newer.digest}, newer)
    report = expire_datasets(scene.survey(days=61))
    assert report.kept == {"a run that may continue refers to it": 1}
    assert older.digest not in {key.split("/")[2] for key in scene.keys("datasets/")}
    assert newer.digest in {key.split("/")[2] for key in scene.keys("datasets/")}


def test_a_training_keeps_its_data_thirty_days_after_its_end(scene: Scene) -> None:
    data = scene.dataset("trained")
    finished = scene.flow_run(Completed())
    start_or_resume_run(scene.settings, finished, "housekeeping", {}, {"wgan.data_digest": data.digest}, data)
    settings = scene.settings.model_copy(update={"keep_dataset_days": 5.0})
    young = Scene(settings, scene.storage, scene.flow_run_ids)
    assert expire_datasets(young.survey(days=4.9)).kept == {"trained on within 5 days": 1}
    assert expire_datasets(young.survey(days=5.1)).removed == 1


@dataclass(frozen=True)
class RefusingStore(Storage):
    """Refuses to delete the other files of one data set."""

    refused: str = ""

    def delete_all(self, keys: Any) -> dict[str, str]:
        if any(self.refused in key for key in keys):
            raise StorageError("the store refused.")
        return super().delete_all(keys)


def test_one_failure_is_reported_without_stopping_the_others_and_half_a_data_set_has_no_manifest(scene: Scene) -> None:
    stuck, gone = scene.dataset("a-stuck"), scene.dataset("b-gone", 96)
    store = RefusingStore(scene.storage.client, scene.storage.bucket, refused=stuck.digest)
    report = expire_datasets(Scene(scene.settings, store).survey(days=31))
    assert report.failures == (f"datasets/a-stuck/{stuck.digest}/: the store refused.",)
    assert report.names == (f"datasets/b-gone/{gone.digest}/",)
    left = {key.rsplit("/", 1)[-1] for key in scene.keys("datasets/")}
    assert left == {"images-00000.npy", "labels.npy", "held-out.npy", "manifest.json.hmac"} & left
    assert "images-00000.npy" in left
    assert expire_datasets(scene.survey(days=31)).removed == 1
    assert scene.keys("datasets/") == set()


def test_results_stay_if_young_or_written_during_a_run_that_may_continue(scene: Scene) -> None:
    scene.storage.put_bytes("prefect/0a1b", b"{}")
    assert expire_results(scene.survey(days=29.9)).kept == {"younger than 30 days": 1}
    scene.flow_run(Crashed(), reads_data=False)
    assert expire_results(scene.survey(days=31)).kept == {"written during a run that may continue": 1}
    scene.forget_flow_runs()
    scene.flow_run(Completed())
    report = expire_results(scene.survey(days=31))
    assert (report.removed, report.removed_bytes) == (1, 2)
    assert scene.keys("prefect/") == set()


def test_an_upload_is_aborted_a_day_after_its_last_part_unless_it_is_mlflows_own(scene: Scene) -> None:
    client, bucket = scene.storage.client, scene.storage.bucket
    for key in ("datasets/x/half.npy", "mlflow/0/half"):
        upload = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        client.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=b"x" * 1000)
    own = "MLflow's own, or the ledger's"
    assert abort_abandoned_uploads(scene.survey(days=0.9)).kept == {"younger than 1 days": 1, own: 1}
    report = abort_abandoned_uploads(scene.survey(days=1.1))
    assert (report.names, report.removed_bytes, report.kept) == (("datasets/x/half.npy",), 1000, {own: 1})
    assert [upload.key for upload in scene.storage.list_uploads() or ()] == ["mlflow/0/half"]


def test_nothing_is_removed_when_mlflow_does_not_answer(scene: Scene) -> None:
    scene.checkpoint(str(uuid4()))
    before = scene.keys("")
    dead = scene.settings.model_copy(update={"mlflow_tracking_uri": f"http://127.0.0.1:{free_ports(1)[0]}"})
    with pytest.raises(WganError, match=r"the MLflow server at .* does not answer"):
        Scene(dead, scene.storage).survey(days=1000)
    assert scene.keys("") == before


def test_nothing_is_removed_when_prefect_does_not_answer(scene: Scene) -> None:
    scene.checkpoint(str(uuid4()))
    dead = f"http://127.0.0.1:{free_ports(1)[0]}/api"
    with (
        temporary_settings({PREFECT_API_URL: dead}),
        pytest.raises(WganError, match="the Prefect server does not say which flow runs there are"),
    ):
        scene.survey(days=1000)
    assert len(scene.keys("checkpoints/")) == 2


def test_nothing_is_removed_when_a_clock_went_back(scene: Scene) -> None:
    scene.checkpoint(str(uuid4()))
    with pytest.raises(WganError, match=r"later than the present .* so a clock is wrong"):
        scene.survey(days=-1)


def test_a_running_backup_is_reported_and_one_killed_a_day_ago_is_not(scene: Scene) -> None:
    scene.storage.put_bytes(BACKUP_MARKER, b"{}")
    now = scene.storage.clock()
    assert "a backup is running, last refreshed at" in (backup_under_way(scene.storage, now) or "")
    assert "a backup is running, last refreshed at" in (
        backup_under_way(scene.storage, now + timedelta(hours=23)) or ""
    )
    assert backup_under_way(scene.storage, now + timedelta(hours=25)) is None


def test_a_backup_that_starts_in_the_middle_stops_the_rest(scene: Scene) -> None:
    scene.checkpoint(str(uuid4()))
    later = survey(
        scene.settings.model_copy(update={"keep_checkpoint_days": 0.0}),
        scene.storage,
        scene.read_flow_runs,
        now=scene.storage.clock() + timedelta(minutes=1),
    )
    scene.storage.put_bytes(BACKUP_MARKER, b"{}")
    assert expire_checkpoints(later).kept == {"a backup has begun": 1}
    assert len(scene.keys("checkpoints/")) == 2


@pytest.fixture
def at_once(retrained: tuple[Scene, Any], stack_home: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Make flows of this process find the retrained scene, with expired checkpoints."""
    for name, value in environment(retrained[0], WGAN_KEEP_CHECKPOINT_DAYS="0").items():
        monkeypatch.setenv(name, value)
    return retrained[0]


def test_the_flow_does_nothing_during_a_backup(at_once: Scene) -> None:
    at_once.checkpoint(str(uuid4()))
    at_once.storage.put_bytes(BACKUP_MARKER, b"{}")
    before = at_once.keys("checkpoints/")
    try:
        report = housekeeping()
    finally:
        at_once.storage.delete(BACKUP_MARKER)
    assert (report.stopped or "").startswith("a backup is running, last refreshed at")
    assert report.rules == ()
    assert at_once.keys("checkpoints/") == before


def test_a_dry_run_of_the_flow_shows_what_the_command_then_removes(at_once: Scene, stack: Settings) -> None:
    at_once.checkpoint(unknown := str(uuid4()))
    registered = load_version("generator-housekept", 1, at_once.settings).evaluation.training.flow_run_id
    dry = housekeeping(dry_run=True)
    assert dry.dry_run
    assert f"checkpoints/{unknown}/" in dry.rules[0].names
    assert {unknown, registered} <= at_once.runs_with_checkpoints()
    page = newest_artifact("housekeeping-report")
    assert page.startswith("Dry run: nothing was removed")
    assert f"checkpoints/{unknown}/" in page
    shown = run(stack, "housekeeping", **environment(at_once, WGAN_KEEP_CHECKPOINT_DAYS="0")).stdout
    assert f"removed checkpoints/{unknown}/" in shown
    assert "a registered version came from the run" in " ".join(shown.replace("│", " ").split())
    assert at_once.runs_with_checkpoints() == {registered}


def newest_artifact(key: str) -> str:
    """What Prefect's UI shows under the key."""
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])))
    return str(max(found, key=lambda artifact: str(artifact.created)).data)
