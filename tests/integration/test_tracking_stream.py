"""Metrics and pictures reach a real MLflow server exactly once, despite connection failures."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric
from PIL import Image

from tests.integration.stack_commands import wait_for
from wgan.errors import WganError
from wgan.records import DatasetRef
from wgan.settings import Settings
from wgan.tracking.client import tracking_client
from wgan.tracking.metric_stream import MetricStream
from wgan.tracking.pictures import logged_stems, new_stem
from wgan.tracking.runs import metric_history, start_or_resume_run

DATASET = DatasetRef(
    name="tests",
    source="folder",
    digest="d" * 64,
    uri="s3://wgan/datasets/tests/manifest.json",
    manifest_sha256="m" * 64,
    count=100,
    bad_count=0,
    image_size=32,
    channels=1,
    classes=(),
)


def begin(settings: Settings, name: str) -> str:
    return start_or_resume_run(settings, name, name, {"training.lr": "5e-05"}, {"kind": "test"}, DATASET)


def values(step: int) -> dict[str, float]:
    return {"critic_loss": -step / 7, "generator_loss": step / 3}


def test_a_flow_run_has_one_mlflow_run_however_often_it_starts(stack: Settings) -> None:
    assert begin(stack, "same") == begin(stack, "same")
    assert begin(stack, "other") != begin(stack, "same")


def test_the_run_names_its_data_set_and_parameters(stack: Settings) -> None:
    run = tracking_client(stack).get_run(begin(stack, "inputs"))
    assert run.inputs.dataset_inputs[0].dataset.name == "tests"
    assert run.data.params == {"training.lr": "5e-05"}


def test_the_experiment_has_a_description_and_keeps_an_edited_one(stack: Settings) -> None:
    settings = stack.model_copy(update={"mlflow_experiment": "described"})
    client = tracking_client(stack)
    begin(settings, "first of its experiment")
    experiment = client.get_experiment_by_name("described")
    description = experiment.tags["mlflow.note.content"]
    assert "*data set · version · outcome · seed*" in description
    assert f"({stack.mlflow_page}/#/models?workflowType=machine_learning)" in description
    client.set_experiment_tag(experiment.experiment_id, "mlflow.note.content", "ours")
    begin(settings, "second of its experiment")
    assert client.get_experiment_by_name("described").tags["mlflow.note.content"] == "ours"


def test_a_resumed_run_has_the_tags_of_its_last_start(stack: Settings) -> None:
    begin(stack, "another code")
    run_id = start_or_resume_run(stack, "another code", "again", {}, {"kind": "newer"}, DATASET)
    assert tracking_client(stack).get_run(run_id).data.tags["kind"] == "newer"


def test_every_step_arrives_with_its_value(stack: Settings) -> None:
    run_id = begin(stack, "values")
    with MetricStream(stack, run_id) as stream:
        for step in range(1, 1501):
            stream.log(step, values(step))
    assert metric_history(stack, run_id) == {step: values(step) for step in range(1, 1501)}


def test_a_resumed_stream_repeats_no_step_and_no_picture(stack: Settings) -> None:
    run_id = begin(stack, "resumed")
    picture = Image.new("L", (8, 8), 100)
    for first, last in ((1, 20), (11, 30)):
        with MetricStream(stack, run_id) as stream:
            for step in range(first, last + 1):
                stream.log(step, values(step))
            stream.log_image("samples", last - 10, picture)
            stream.log_image("samples", last, picture)
    steps = [metric.step for metric in tracking_client(stack).get_metric_history(run_id, "critic_loss")]
    assert sorted(steps) == list(range(1, 31))
    assert steps_of_pictures(stack, run_id) == [10, 20, 30]


def steps_of_pictures(settings: Settings, run_id: str) -> list[int]:
    """The steps of the pictures' large files, each of which must have a thumbnail."""
    names = [Path(entry.path).name for entry in tracking_client(settings).list_artifacts(run_id, "images")]
    large = {name.removesuffix(".png") for name in names if name.endswith(".png")}
    small = {name.removesuffix("+compressed.webp") for name in names if name.endswith("+compressed.webp")}
    assert large == small
    return sorted(int(name.split("+")[2]) for name in large)


class LostAnswers:
    """MLflow's client, whose first upload of every file, or of a picture, arrives, but whose response is lost."""

    def __init__(self, client: MlflowClient) -> None:
        self._client = client
        self._sent: set[str] = set()

    def log_artifact(self, run_id: str, path: str, folder: str) -> None:
        self._client.log_artifact(run_id, path, folder)
        if path.rsplit("/", 1)[-1] not in self._sent:
            self._sent.add(path.rsplit("/", 1)[-1])
            raise ConnectionError("the answer was lost")

    def log_image(self, run_id: str, picture: Image.Image, **more: Any) -> None:
        self._client.log_image(run_id, picture, **more)
        if not self._sent:
            self._sent.add("a picture")
            raise ConnectionError("the answer was lost")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def test_a_picture_whose_response_is_lost_is_stored_once(stack: Settings) -> None:
    run_id = begin(stack, "unanswered")
    with MetricStream(stack, run_id, flush_every=0.1) as stream:
        stream._client = LostAnswers(stream._client)  # type: ignore[assignment]
        stream.log_image("samples", 5, Image.new("L", (8, 8), 100))
    assert steps_of_pictures(stack, run_id) == [5]


def test_a_picture_half_sent_by_a_killed_process_is_completed(stack: Settings, tmp_path: Path) -> None:
    run_id = begin(stack, "half a picture")
    half = tmp_path / f"{new_stem('samples', 5)}.png"
    Image.new("L", (8, 8), 100).save(half)
    tracking_client(stack).log_artifact(run_id, str(half), "images")
    with MetricStream(stack, run_id) as stream:
        stream.log_image("samples", 5, Image.new("L", (8, 8), 100))
    assert steps_of_pictures(stack, run_id) == [5]


class PicturesBeforeMetrics:
    """MLflow's client that refuses metrics; at its first picture, a step and then another picture are queued."""

    def __init__(self, client: MlflowClient, stream: MetricStream) -> None:
        self._client, self._stream = client, stream
        self.step_is_queued = threading.Event()
        self.takes_metrics = False

    def log_artifact(self, run_id: str, path: str, folder: str) -> None:
        if not self.step_is_queued.is_set():
            self._stream.log(5, values(5))
            self.step_is_queued.set()
            wait_for(self._stream._nudge.is_set)  # the flush has begun
            self._stream.log_image("samples", 6, Image.new("L", (8, 8), 100))
        self._client.log_artifact(run_id, path, folder)

    def log_batch(self, run_id: str, metrics: list[Metric]) -> None:
        if not self.takes_metrics:
            raise ConnectionError("no metrics yet")
        self._client.log_batch(run_id, metrics)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def test_later_pictures_do_not_count_as_the_metrics_that_a_flush_waits_for(stack: Settings) -> None:
    run_id = begin(stack, "flushed")
    with MetricStream(stack, run_id, flush_every=3600) as stream:
        client = PicturesBeforeMetrics(stream._client, stream)
        stream._client = client  # type: ignore[assignment]
        stream.log_image("samples", 1, Image.new("L", (8, 8), 100))
        stream._nudge.set()
        assert client.step_is_queued.wait(60)
        assert not stream.flush(timeout=1.0)
        client.takes_metrics = True
        assert stream.flush(timeout=60.0)
        assert metric_history(stack, run_id) == {5: values(5)}


def test_picture_names_have_mlflows_form(stack: Settings) -> None:
    run_id = begin(stack, "its own name")
    tracking_client(stack).log_image(run_id, Image.new("L", (8, 8), 100), key="samples/steps", step=5)
    assert logged_stems(tracking_client(stack), run_id) == ({("samples/steps", 5)}, {})
    with MetricStream(stack, run_id) as stream:
        stream.log_image("samples/steps", 5, Image.new("L", (8, 8), 100))
        stream.log_image("samples/steps", 6, Image.new("L", (8, 8), 100))
    assert steps_of_pictures(stack, run_id) == [5, 6]


@pytest.fixture
def lone_server(stack: Settings, tmp_path: Path, free_port: int) -> Iterator[LoneServer]:
    shutil.copy(stack.home / "empty" / "mlflow.db", tmp_path)  # making one takes seconds
    server = LoneServer(tmp_path, free_port)
    try:
        server.start()
        yield server
    finally:
        server.stop()


class LoneServer:
    """A separate MLflow server that can be stopped and restarted on the same port."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.address = f"http://127.0.0.1:{port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        stores = ["--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db", "--artifacts-destination"]
        log = self.folder / "mlflow.log"
        with log.open("ab") as output:
            process = self._process = subprocess.Popen(
                [*command, "--workers", "1", *stores, str(self.folder)],
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        wait_for(lambda: self._answers() or process.poll() is not None, 300)
        assert process.poll() is None, log.read_text()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.address}/health", timeout=2).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def stop(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@pytest.mark.slow
def test_no_step_is_lost_or_duplicated_while_the_server_is_down(
    lone_server: LoneServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    settings = Settings(mlflow_tracking_uri=lone_server.address)
    run_id = begin(settings, "outage")
    with MetricStream(settings, run_id, flush_every=0.2) as stream:
        for step in range(1, 31):
            if step == 11:
                lone_server.stop()
            if step == 21:
                lone_server.start()
            stream.log(step, values(step))
            time.sleep(0.1)
    assert metric_history(settings, run_id) == {step: values(step) for step in range(1, 31)}


@pytest.mark.slow
def test_a_server_that_stays_down_is_named_at_the_timeout(
    lone_server: LoneServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    settings = Settings(mlflow_tracking_uri=lone_server.address)
    run_id = begin(settings, "gone")

    def log_to_a_stopped_server() -> None:
        with MetricStream(settings, run_id, timeout=1.0, flush_every=0.2) as stream:
            lone_server.stop()
            stream.log(1, values(1))

    with pytest.raises(WganError, match=rf"{lone_server.address} did not accept 1 steps of metrics"):
        log_to_a_stopped_server()
