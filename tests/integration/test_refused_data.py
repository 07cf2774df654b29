"""A retraining reports on its data; what the rules refuse is not trained on unless somebody accepts it, on record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.integration.command_line import json_of, quick
from tests.integration.stack_commands import run
from tests.integration.worker_process import ask
from wgan.settings import Settings
from wgan.storage import Storage
from wgan.tracking.client import tracking_client
from wgan.tracking.runs import fetch_artifact

pytestmark = pytest.mark.slow(minutes=2)
REASON = "the black frames are wanted"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty images of noise and ten black frames."""
    pictures = tmp_path_factory.mktemp("pictures")
    for number in range(50):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 40), dtype=np.uint8) * (number < 40)
        Image.fromarray(pixels.astype(np.uint8)).save(pictures / f"{number}.png")
    return pictures


def arguments(folder: Path, *more: str) -> list[str]:
    rules = ("data.rules.refuse.blank=0.1", *more)
    return ["retrain", *quick("refused", "data.source=folder", f"data.location={folder}", *rules)]


def latest_run(stack: Settings) -> Any:
    named = {"name": {"like_": "generator-refused"}}
    return ask(stack, "flow_runs/filter", flow_runs=named, sort="START_TIME_DESC", limit=1)[0]


def test_refused_data_ends_the_run_before_training_until_it_is_accepted(
    stack: Settings, storage: Storage, folder: Path, tmp_path: Path
) -> None:
    refused = run(stack, *arguments(folder), code=3)
    said = " ".join(refused.stderr.split())
    assert "Blank: 10 of 50 images (20.0%), more than data.rules.refuse.blank=0.1 allows" in said
    state = latest_run(stack)["state"]
    assert (state["type"], state["name"]) == ("CANCELLED", "Not done")  # an event that the webhook is told of
    assert state["message"].startswith("Not done: data set refused ")
    run(stack, "models", "generator-refused", code=2)  # nothing was registered
    [page] = [entry.key for entry in storage.list("datasets/refused/") if entry.key.endswith("report.html")]
    digest = page.split("/")[2]
    assert f"--accept-data {digest[:12]}" in said

    accepted = json_of(stack, *arguments(folder), "--accept-data", digest[:12], "--reason", REASON)
    run_id = accepted["version"]["evaluation"]["training"]["mlflow_run_id"]
    assert tracking_client(stack).get_run(run_id).data.tags["wgan.data_accepted"] == REASON
    fetch_artifact(stack, run_id, "data/report.html", tmp_path / "report.html")
    assert REASON in (tmp_path / "report.html").read_text()
    assert json.loads(storage.get_bytes(page.replace(".html", ".json")))["accepted"]["reason"] == REASON
    assert json_of(stack, *arguments(folder))["version"]["version"] == 2, "the decision holds for this data"

    compared = json_of(stack, "data", "report", "refused", "--against", "champion")["compared_with"]
    assert compared is None, "the champion was trained on this data set"


def test_accepting_another_data_set_than_the_prepared_one_is_a_usage_mistake(stack: Settings, folder: Path) -> None:
    options = ("--accept-data", "0123456789ab", "--reason", REASON)
    refused = run(stack, *arguments(folder, "data.max_images=30"), *options, code=2)
    assert "--accept-data names 0123456789ab, but the data set prepared now is " in " ".join(refused.stderr.split())


def test_a_digest_needs_a_reason(stack: Settings, folder: Path) -> None:
    refused = run(stack, *arguments(folder), "--accept-data", "0123456789ab", code=2)
    assert "--accept-data DIGEST and --reason TEXT belong together." in refused.stderr
