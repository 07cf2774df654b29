"""The addresses of WGAN_NOTIFY_URL receive promotions, refusals by the gate, failures and crashes."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.integration.command_line import json_of, quick
from tests.integration.stack_commands import run as run_wgan
from tests.integration.stack_commands import wait_for
from tests.integration.worker_process import ask, worker
from wgan.settings import Settings

pytestmark = pytest.mark.slow(minutes=5)


class Listener(ThreadingHTTPServer):
    """The receiving end of a webhook, and of Apprise's service for JSON."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Hook)
        self.heard: list[dict[str, Any]] = []
        self.from_apprise: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook?token=hook-secret-3141"

    @property
    def addresses(self) -> str:
        """Three, of which nothing answers at the first."""
        return f"http://127.0.0.1:9/hook {self.url} json://127.0.0.1:{self.server_port}/apprise"

    def messages(self, title: str) -> list[dict[str, Any]]:
        return [entry for entry in self.from_apprise if entry["title"] == title]

    def told(self, event: str, what: str) -> list[dict[str, Any]]:
        return [entry for entry in self.heard if entry["event"] == event and what in entry["what"]]


class _Hook(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        heard = self.server.heard if self.path.startswith("/hook") else self.server.from_apprise
        heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def listener(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listener]:
    """Two workers, which together send every notification once."""
    folder = tmp_path_factory.mktemp("notify")
    with Listener() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with (
            worker(stack, folder, WGAN_NOTIFY_URL=server.addresses),
            worker(stack, folder, WGAN_NOTIFY_URL=server.addresses),
        ):
            names = ["wgan_told_1", "wgan_told_2", "wgan_told_3"]
            wait_for(lambda: len(ask(stack, "variables/filter", variables={"name": {"any_": names}})) == 3, 60)
            yield server
        server.shutdown()


def test_a_promotion_a_refusal_and_a_failure_are_sent_with_their_reasons(
    stack: Settings, listener: Listener, tmp_path: Path
) -> None:
    model = "generator-told"
    assert json_of(stack, "retrain", *quick("told"))["promotion"]["action"] == "promoted"
    wait_for(lambda: listener.told("wgan.model.promoted", f"{model} version 1"), 60)
    refused = json_of(stack, "retrain", *quick("told", "training.seed=1", "promotion.fid_margin=1000000"))
    assert refused["promotion"]["action"] == "refused"
    wait_for(lambda: listener.told("wgan.model.refused", f"{model} version 2"), 60)
    entry = listener.told("wgan.model.refused", model)[0]
    assert entry["reason"] == refused["promotion"]["reason"]
    assert entry["flow_run_id"] == refused["promotion"]["flow_run_id"]
    run_wgan(stack, "retrain", *quick("told", "data.source=folder", f"data.location={tmp_path}"), code=(1, 2))
    wait_for(lambda: listener.told("prefect.flow-run.Failed", "flow run"), 60)
    assert str(tmp_path) in listener.told("prefect.flow-run.Failed", "flow run")[0]["reason"]


def test_a_service_that_takes_pictures_gets_the_samples_of_both_sides(listener: Listener) -> None:
    first, second = "generator-told version 1: promoted", "generator-told version 2: refused"
    wait_for(lambda: listener.messages(first) and listener.messages(second), 60)
    widths = [_width(listener.messages(title)[0]) for title in (first, second)]
    assert widths[1] > 1.9 * widths[0], "the first version had no champion beside it"
    refusal = listener.told("wgan.model.refused", "generator-told")[0]
    message = listener.messages(second)[0]
    assert message["type"] == "warning"
    assert refusal["reason"] in message["message"]
    assert refusal["link"] in message["message"]


def _width(message: dict[str, Any]) -> int:
    (attached,) = message["attachments"]
    assert (attached["filename"], attached["mimetype"]) == ("samples.png", "image/png")
    with Image.open(io.BytesIO(base64.b64decode(attached["base64"]))) as picture:
        return picture.width


def test_a_crash_is_sent_with_its_message(stack: Settings, listener: Listener) -> None:
    """The state is reported as a worker or the automation for silent runs does."""
    flow = ask(stack, "flows/", name="retrain")["id"]
    run = ask(stack, "flow_runs/", flow_id=flow, name="told of a crash", state={"type": "RUNNING", "name": "Running"})
    crash = {"type": "CRASHED", "name": "Crashed", "message": "No heartbeat for 90 s: its process died."}
    ask(stack, f"flow_runs/{run['id']}/set_state", state=crash)
    wait_for(lambda: listener.told("prefect.flow-run.Crashed", "told of a crash"), 60)
    entry = listener.told("prefect.flow-run.Crashed", "told of a crash")[0]
    assert (entry["state"], entry["reason"]) == ("Crashed", crash["message"])
    assert entry["flow_run_id"] == run["id"]


def test_the_server_does_not_know_the_address_with_its_token(stack: Settings, listener: Listener) -> None:
    blocks = ask(stack, "block_documents/filter", include_secrets=True)
    shown = json.dumps([ask(stack, "automations/filter"), ask(stack, "variables/filter"), blocks])
    assert "hook-secret-3141" not in shown
    assert b"hook-secret-3141" not in (stack.home / "prefect.db").read_bytes()


def test_every_notification_is_sent_once(listener: Listener) -> None:
    told = [(entry["event"], entry["what"], entry["time"]) for entry in listener.heard]
    assert len(told) == len(set(told))
    wait_for(lambda: len(listener.from_apprise) >= len(told), 60)
    titles = [(entry["title"], entry["message"]) for entry in listener.from_apprise]
    assert len(titles) == len(set(titles)) == len(told)
