"""`--if-changed`: only a new image in the folder or S3 prefix starts a training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.integration.command_line import json_of, quick
from tests.integration.worker_process import ask
from wgan.settings import Settings
from wgan.storage import Storage

pytestmark = pytest.mark.slow(minutes=3)


def picture(folder: Path, number: int) -> Path:
    pixels = np.random.default_rng(number).integers(0, 256, (40, 40), dtype=np.uint8)
    path = folder / f"{number}.png"
    Image.fromarray(pixels).save(path)
    return path


def arguments(name: str, source: str, location: str) -> list[str]:
    return ["--if-changed", *quick(name, f"data.source={source}", f"data.location={location}")]


def test_a_folder_is_trained_on_again_once_it_has_a_new_image(stack: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "watched"
    folder.mkdir()
    for number in range(40):
        picture(folder, number)
    command = ["retrain", *arguments("watched", "folder", str(folder))]
    assert json_of(stack, *command)["version"]["version"] == 1
    unchanged = json_of(stack, *command)
    assert (unchanged["model_name"], unchanged["version"]) == ("generator-watched", 1)
    named = {"name": {"like_": "generator-watched"}}
    latest = ask(stack, "flow_runs/filter", flow_runs=named, sort="START_TIME_DESC", limit=1)[0]["state"]
    assert (latest["type"], latest["name"]) == ("COMPLETED", "Skipped")
    assert latest["message"].startswith("Skipped: the data is unchanged; generator-watched version 1 was trained on it")
    assert len(json_of(stack, "models", "generator-watched")["versions"]) == 1
    picture(folder, 40)
    assert json_of(stack, *command)["version"]["version"] == 2


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
