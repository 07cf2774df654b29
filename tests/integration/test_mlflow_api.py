"""MLflow's REST API: with a real server, and with servers that give invalid answers, or none."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from mlflow import MlflowClient
from pydantic import SecretStr

from wgan.errors import UsageError, WganError
from wgan.mlflow_api import models as models_api
from wgan.mlflow_api import requests as requests_api
from wgan.mlflow_api import runs as runs_api
from wgan.mlflow_api.requests import Mlflow
from wgan.mlflow_api.runs import Runs
from wgan.registry.client import registry
from wgan.registry.listing import list_models, list_versions
from wgan.registry.versions import load_version
from wgan.settings import Settings

Reply = tuple[int, bytes]


@pytest.fixture
def client(stack: Settings) -> MlflowClient:
    return MlflowClient(stack.mlflow_tracking_uri, stack.mlflow_tracking_uri)


@pytest.fixture
def model(client: MlflowClient) -> str:
    """A registered model with three versions, none of them with files."""
    name = f"generator-{uuid.uuid4().hex[:8]}"
    logged = client.create_logged_model(client.create_experiment(name)).model_id
    client.create_registered_model(name)
    for number in range(3):
        client.create_model_version(name, f"models:/{logged}", model_id=logged, tags={"number": str(number)})
    return name


def test_versions_equal_those_of_mlflows_own_client(stack: Settings, client: MlflowClient, model: str) -> None:
    with registry(stack) as models:
        found = {version.version: version for version in models.newest_versions(model, 10)}
    theirs = {int(version.version): version for version in client.search_model_versions(f"name = '{model}'")}
    assert found.keys() == theirs.keys() == {1, 2, 3}
    for number, version in found.items():
        assert version.tags == theirs[number].tags
        assert version.creation_timestamp == theirs[number].creation_timestamp


def test_a_search_reads_every_page(stack: Settings, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models_api, "MODELS_A_PAGE", 1)
    with registry(stack) as models:
        assert [version.version for version in models.newest_versions(model, 1)] == [3, 2, 1]
        assert model in [entry.name for entry in models.models()]


def test_the_server_searches_for_what_a_tag_says(stack: Settings, model: str) -> None:
    with registry(stack) as models:
        found = [version.version for version in models.newest_versions(model, 10, "tags.number LIKE '%'")]
        assert (found, [version.version for version in models.newest_versions(model, 10, "tags.number = '1'")]) == (
            [3, 2, 1],
            [2],
        )


def test_an_alias_is_set_moved_and_deleted(stack: Settings, client: MlflowClient, model: str) -> None:
    with registry(stack) as models:
        models.set_alias(model, "champion", 1)
        models.set_alias(model, "champion", 2)
        models.set_alias(model, "previous", 1)
        found = models.model(model)
        assert found is not None
        assert found.aliases == {"champion": 2, "previous": 1}
        models.delete_alias(model, "previous")
        models.delete_alias(model, "previous")  # as a repeated request would
    assert client.get_registered_model(model).aliases == {"champion": "2"}


def test_a_version_is_tagged_and_described(stack: Settings, client: MlflowClient, model: str) -> None:
    with registry(stack) as models:
        models.tag_version(model, 1, "gate.reason", "„besser“ & 100 % \\")
        models.describe_version(model, 1, "# Card\n")
    version = client.get_model_version(model, "1")
    assert (version.tags["gate.reason"], version.description) == ("„besser“ & 100 % \\", "# Card\n")


def test_runs_are_searched_page_by_page_with_deleted_ones_on_request(
    stack: Settings, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs_api, "A_PAGE", 2)
    experiment = client.create_experiment(uuid.uuid4().hex)
    ids = [client.create_run(experiment, tags={"kind": "x"}).info.run_id for _ in range(5)]
    client.delete_run(ids[0])
    with Mlflow(stack) as server:
        runs = Runs(server)
        assert experiment in [found.experiment_id for found in runs.experiments()]
        active = [run.info.run_id for run in runs.search([experiment], "tags.kind = 'x'")]
        everything = [run.info.run_id for run in runs.search([experiment], "tags.kind = 'x'", "ALL")]
        assert list(runs.search([], "tags.kind = 'x'")) == []
    assert (sorted(active), sorted(everything)) == (sorted(ids[1:]), sorted(ids))


def test_a_run_is_ended_with_its_time(stack: Settings, client: MlflowClient) -> None:
    run_id = client.create_run(client.create_experiment(uuid.uuid4().hex)).info.run_id
    with Mlflow(stack) as server:
        Runs(server).end(run_id, "KILLED", 1_700_000_000_000)
    info = client.get_run(run_id).info
    assert (info.status, info.end_time) == ("KILLED", 1_700_000_000_000)


def test_a_refusal_quotes_the_server(stack: Settings, model: str) -> None:
    with (
        pytest.raises(WganError, match=r"failed: RESOURCE_DOES_NOT_EXIST: .*version=9.*\.$"),
        registry(stack) as models,
    ):
        models.set_alias(model, "champion", 9)


# Servers of other kinds


@contextmanager
def answering(reply: Callable[[BaseHTTPRequestHandler], Reply | None]) -> Iterator[Settings]:
    """Settings of a server that answers every request with the result of `reply`, or lets it write the answer."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            if length := int(self.headers.get("content-length", 0)):
                self.rfile.read(length)
            if (answer := reply(self)) is not None:
                self.send_response(answer[0])
                self.send_header("Content-Length", str(len(answer[1])))
                self.end_headers()
                self.wfile.write(answer[1])

        do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Settings(_env_file=None, mlflow_tracking_uri=f"http://127.0.0.1:{server.server_address[1]}")
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests_api, "PAUSES", (0.01, 0.01))


ODD = {
    "a page": (200, b"<html>hello</html>", "gave an invalid answer to"),
    "nothing": (200, b"", "gave an invalid answer to"),
    "half an answer": (200, b'{"registered_models": [{"name": "gen', "gave an invalid answer to"),
    "a list": (200, b"[]", "gave an invalid answer to"),
    "versions of words": (200, b'{"model_versions": [{"name": "m", "version": "two"}]}', "gave an invalid answer to"),
    "tags that are none": (
        200, b'{"model_versions": [{"name": "m", "version": 1, "tags": [3]}]}', "gave an invalid answer to"
    ),
    "a time beyond all calendars": (
        200,
        json.dumps({"model_versions": [{"name": "m", "version": 1, "creation_timestamp": 10**30}]}).encode(),
        "gave an invalid answer to",
    ),
    "an error page": (502, b"<html>Bad gateway</html>", "answers with status 502 and is not an MLflow server"),
    "another program": (404, b"not found", "answers with status 404 and is not an MLflow server"),
    "a failure": (500, b'{"error_code": "INTERNAL_ERROR", "message": "disk\\nfull"}', "INTERNAL_ERROR: disk full"),
    "a login": (401, b"who?", "requires a login: set WGAN_MLFLOW_USERNAME and WGAN_MLFLOW_PASSWORD"),
    "a refusal": (403, b"Permission denied", "does not allow this user .* .Permission denied.: set WGAN_MLFLOW"),
}  # fmt: skip


def read_everything(settings: Settings) -> None:
    with registry(settings) as models:
        assert list(models.models()) or list(models.versions())


@pytest.mark.parametrize("form", ODD)
def test_an_unexpected_answer_is_one_sentence(form: str) -> None:
    status, body, sentence = ODD[form]
    with answering(lambda _: (status, body)) as settings, pytest.raises(WganError, match=sentence) as caught:
        read_everything(settings)
    assert len(str(caught.value).splitlines()) == 1
    assert settings.mlflow_tracking_uri in str(caught.value)


def test_an_endless_answer_is_abandoned_by_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests_api, "ANSWER_BYTES", 10_000)

    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        try:
            while True:
                request.wfile.write(b" " * 4096)
        except OSError:
            request.close_connection = True

    with answering(endless) as settings, pytest.raises(WganError, match="answers with more than 10000 bytes"):
        list_models(settings)


def test_an_answer_that_drips_is_abandoned_after_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests_api, "ANSWER_SECONDS", 0.2)

    def dripping(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        try:
            for _ in range(200):
                request.wfile.write(b" ")
                time.sleep(0.02)
        except OSError:
            request.close_connection = True

    with answering(dripping) as settings, pytest.raises(WganError, match=r"did not answer completely within 0\.2 s"):
        list_models(settings)


def test_a_server_that_never_answers_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests_api, "SILENCE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(WganError, match=rf"{where} does not answer \(.*\): .*WGAN_MLFLOW_TRACKING_URI"):
            list_models(Settings(_env_file=None, mlflow_tracking_uri=where))


def test_repeating_pages_are_not_read_for_ever() -> None:
    page = b'{"model_versions": [{"name": "m", "version": 1}], "next_page_token": "again"}'
    with (
        answering(lambda _: (200, page)) as settings,
        pytest.raises(WganError, match="keeps returning the same page of"),
    ):
        read_everything(settings)


def test_the_models_of_a_long_history_are_listed_without_their_versions() -> None:
    asked: list[str] = []

    def recording(request: BaseHTTPRequestHandler) -> Reply:
        asked.append(request.path.split("?")[0].rpartition("/mlflow/")[2])
        model = {"name": "m", "latest_versions": [{"version": "9000", "current_stage": "None"}]}
        return 200, json.dumps({"registered_models": [model]}).encode()

    with answering(recording) as settings:
        assert [entry.latest_version for entry in list_models(settings)] == [9000]
    assert asked == ["registered-models/search"]


def test_a_page_of_versions_is_one_request_for_no_more_than_are_shown() -> None:
    asked: list[str] = []

    def recording(request: BaseHTTPRequestHandler) -> Reply:
        asked.append(request.path)
        if "/registered-models/get" in request.path:
            return 200, b'{"registered_model": {"name": "m"}}'
        page = [{"name": "m", "version": str(number)} for number in range(9000, 8979, -1)]
        return 200, json.dumps({"model_versions": page, "next_page_token": "more"}).encode()

    with answering(recording) as settings:
        found = list_versions("m", 20, settings)
    assert ([entry.version for entry in found.versions], found.more) == (list(range(9000, 8980, -1)), True)
    assert len(asked) == 2
    assert "max_results=21" in asked[1]


def test_a_version_that_does_not_exist_is_answered_with_the_newest_ones() -> None:
    def long_history(request: BaseHTTPRequestHandler) -> Reply:
        if "/registered-models/get" in request.path:
            return 200, b'{"registered_model": {"name": "m"}}'
        if "/model-versions/search" in request.path:
            page = [{"name": "m", "version": str(number)} for number in range(9000, 8979, -1)]
            return 200, json.dumps({"model_versions": page, "next_page_token": "more"}).encode()
        return 404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST"}'

    named = ", ".join(map(str, range(8981, 9001)))
    with (
        answering(long_history) as settings,
        pytest.raises(UsageError, match=rf"m has no version 9001: there are {named} and older ones\.$"),
    ):
        load_version("m", 9001, settings)


def test_a_request_to_a_busy_server_is_retried() -> None:
    replies = iter([(503, b"busy"), (500, b'{"error_code": "INTERNAL_ERROR"}'), (200, b"{}"), (200, b"{}")])
    with answering(lambda _: next(replies)) as settings:
        assert list_models(settings) == []


def test_a_broken_connection_is_retried() -> None:
    broken: list[int] = []

    def breaking(request: BaseHTTPRequestHandler) -> Reply | None:
        if not broken:
            broken.append(1)
            request.close_connection = True
            return None
        return 200, b"{}"

    with answering(breaking) as settings:
        assert list_models(settings) == []


def test_an_unreadable_model_lists_the_readable_ones() -> None:
    """MLflow's basic-auth answers 403 for a model that does not exist or that this user may not read."""

    def guarded(request: BaseHTTPRequestHandler) -> Reply:
        if "/registered-models/search" in request.path:
            return 200, b'{"registered_models": [{"name": "generator-mine"}]}'
        return 403, b"Permission denied"

    with answering(guarded) as settings:
        with pytest.raises(UsageError, match="no registered model 'generator-yours': there are generator-mine"):
            list_versions("generator-yours", 20, settings)
        with pytest.raises(UsageError, match="no registered model 'generator-yours': there are generator-mine"):
            load_version("generator-yours", 1, settings)


def test_user_and_password_are_sent_to_the_server() -> None:
    shown: list[str | None] = []

    def guarded(request: BaseHTTPRequestHandler) -> Reply:
        shown.append(request.headers["authorization"])
        return 200, b"{}"

    with answering(guarded) as settings:
        list_models(settings.model_copy(update={"mlflow_username": "ada", "mlflow_password": SecretStr("secret")}))
    assert set(shown) == {f"Basic {base64.b64encode(b'ada:secret').decode()}"}


def test_a_store_that_is_down_is_distinguished_from_a_missing_file() -> None:
    def without_store(request: BaseHTTPRequestHandler) -> Reply:
        if "/model-versions/get-download-uri" in request.path:
            return 200, b'{"artifact_uri": "mlflow-artifacts:/1/models/m-1/artifacts"}'
        if "/model-versions/get" in request.path:
            tags = [{"key": "checkpoint_sha256", "value": "0"}]
            return 200, json.dumps({"model_version": {"name": "m", "version": "1", "tags": tags}}).encode()
        return 500, b'{"error_code": "INTERNAL_ERROR", "message": "Could not connect to the endpoint"}'

    with answering(without_store) as settings, pytest.raises(WganError, match="the object store behind it may be down"):
        load_version("m", 1, settings)
