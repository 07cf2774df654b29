"""Retraining on a condition: new images in the folder or S3 prefix, enough of them, or a drift of the data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from tests.integration.command_line import json_of, quick
from tests.integration.stack_commands import run
from tests.integration.worker_process import ask, wait_for_end, worker
from wgan.settings import Settings
from wgan.storage import Storage
from wgan.tracking.client import tracking_client

pytestmark = pytest.mark.slow(minutes=4)


def picture(folder: Path, number: int) -> Path:
    pixels = np.random.default_rng(number).integers(0, 256, (40, 40), dtype=np.uint8)
    path = folder / f"{number}.png"
    Image.fromarray(pixels).save(path)
    return path


def arguments(name: str, source: str, location: str) -> list[str]:
    return ["--if-changed", *quick(name, f"data.source={source}", f"data.location={location}")]


def latest_state(stack: Settings, model: str) -> Any:
    named = {"name": {"like_": model}}
    return ask(stack, "flow_runs/filter", flow_runs=named, sort="START_TIME_DESC", limit=1)[0]["state"]


def test_a_folder_is_trained_on_again_once_it_has_a_new_image(stack: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "watched"
    folder.mkdir()
    for number in range(40):
        picture(folder, number)
    command = ["retrain", *arguments("watched", "folder", str(folder))]
    assert json_of(stack, *command)["version"]["version"] == 1
    unchanged = json_of(stack, *command)
    assert (unchanged["model_name"], unchanged["version"]) == ("generator-watched", 1)
    latest = latest_state(stack, "generator-watched")
    assert (latest["type"], latest["name"]) == ("COMPLETED", "Skipped")
    assert latest["message"].startswith("Skipped: the data is unchanged; generator-watched version 1 was trained on it")
    assert len(json_of(stack, "models", "generator-watched")["versions"]) == 1
    picture(folder, 40)
    too_few = json_of(stack, *command, "--min-new", "5%")
    assert too_few["version"] == 1
    assert too_few["reason"] == (
        "1 image is new since generator-watched version 1, and at least 2 are asked for (5% of 40)."
    )
    assert latest_state(stack, "generator-watched")["message"] == f"Skipped: {too_few['reason']}"
    picture(folder, 41)
    assert json_of(stack, *command, "--min-new", "5%")["version"]["version"] == 2


def test_an_s3_prefix_is_trained_on_again_once_it_has_a_new_image(
    stack: Settings, storage: Storage, tmp_path: Path
) -> None:
    for number in range(40):
        storage.put_file(f"incoming/{number}.png", picture(tmp_path, number))
    command = ["retrain", *arguments("incoming", "s3", f"s3://{storage.bucket}/incoming")]
    assert json_of(stack, *command)["version"]["version"] == 1
    assert json_of(stack, *command)["version"] == 1
    storage.put_file("incoming/40.png", picture(tmp_path, 40))
    assert json_of(stack, *command)["version"]["version"] == 2


def test_a_schedule_trains_once_a_class_that_appears_slowly_has_moved_the_data(stack: Settings, tmp_path: Path) -> None:
    """The champion knows the digits 0 to 4; the others come, few at first."""
    folder = tmp_path / "digits"
    folder.mkdir()
    data = quick("drifting", "data.source=folder", f"data.location={folder}", "evaluation.sample_count=512")
    add_digits(folder, range(5), 900)
    assert json_of(stack, "retrain", *data)["promotion"]["action"] == "promoted"
    run(stack, "schedule", "add", "--name", "drifting", "--cron", "0 3 1 1 *", "--if-drifted", *data)

    def run_of_the_schedule() -> Any:
        return wait_for_end(stack, json_of(stack, "schedule", "run", "drifting")["flow_run_id"])

    with worker(stack, tmp_path):
        add_digits(folder, range(5, 10), 20)
        steady = run_of_the_schedule()
        assert steady["state_name"] == "Skipped"
        assert steady["name"].endswith("no drift since version 1")
        assert (
            "the data has not moved from that of the champion, generator-drifting version 1"
            in steady["state"]["message"]
        )
        add_digits(folder, range(5, 10), 800)
        assert run_of_the_schedule()["state_type"] == "COMPLETED"
    newest, first = json_of(stack, "models", "generator-drifting")["versions"]
    assert (newest["version"], first["version"]) == (2, 1), "the steady data was not trained on"
    because = tracking_client(stack).get_run(newest["mlflow_run_id"]).data.tags["wgan.because"]
    assert "Drift: the Fréchet distance from the data " in because
    decided = json_of(stack, "models", "generator-drifting", "--history")["history"][-1]["decision"]
    assert any(because in remark for remark in decided["remarks"])


def add_digits(folder: Path, labels: range, count: int) -> None:
    """Add those of the first `count` digits with these labels that are not in the folder yet."""
    digits = load_digits()
    for position in np.flatnonzero(np.isin(digits.target, labels))[:count].tolist():
        pixels = np.rint(digits.images[position] * (255 / 16)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{position}.png")
