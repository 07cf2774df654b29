"""`wgan data prepare` and `wgan data list`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.integration.data_object_store import ObjectStore
from wgan.commands.data import app
from wgan.errors import UsageError
from wgan.settings import load_settings
from wgan.storage import open_storage


@pytest.fixture(autouse=True)
def in_a_new_bucket(store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = store.settings(tmp_path)
    monkeypatch.setenv("WGAN_HOME", str(tmp_path))
    monkeypatch.setenv("WGAN_BUCKET", settings.bucket)
    monkeypatch.setenv("WGAN_S3_ENDPOINT_URL", store.endpoint)
    monkeypatch.setenv("WGAN_S3_ACCESS_KEY_ID", store.access_key)
    monkeypatch.setenv("WGAN_S3_SECRET_ACCESS_KEY", store.secret_key)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def test_prepare_prints_one_json_object_that_list_then_holds() -> None:
    prepared = json.loads(run("prepare", "--preset", "digits", "--set", "data.max_images=64", "--json").stdout)
    assert (prepared["name"], prepared["count"], prepared["image_size"]) == ("digits", 64, 32)
    assert json.loads(run("list", "--json").stdout) == {"datasets": [prepared]}


def test_people_get_a_sentence_and_a_table() -> None:
    assert "No data set is prepared yet" in run("list").stdout
    assert "Data set digits: 64 images of 32×32×1, 10 classes." in " ".join(
        run("prepare", "--preset", "digits", "--set", "data.max_images=64").stdout.split()
    )
    assert "digits" in run("list").stdout


def test_progress_goes_to_standard_error() -> None:
    result = run("prepare", "--preset", "digits", "--set", "data.max_images=64", "--json")
    assert "decode" in result.stderr
    assert "decode" not in result.stdout


def test_preparing_nothing_in_particular_is_a_usage_mistake() -> None:
    with pytest.raises(UsageError, match="say what to prepare: --preset NAME"):
        run("prepare")


def test_a_configuration_file_says_what_to_prepare(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("data: {source: digits, name: mine, max_images: 32}")
    assert json.loads(run("prepare", "--config", str(file), "--json").stdout)["name"] == "mine"
    keys = [entry.key for entry in open_storage(load_settings()).list("datasets/")]
    assert [key.split("/")[1] for key in keys] == ["mine"] * 3
