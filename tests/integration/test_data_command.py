"""`wgan data prepare`, `list` and `show`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
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


def test_prepare_prints_one_json_object_that_list_then_includes() -> None:
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


def test_preparing_without_a_configuration_is_a_usage_mistake() -> None:
    with pytest.raises(UsageError, match="choose what to prepare: --preset NAME"):
        run("prepare")


def test_a_configuration_file_names_what_to_prepare(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("data: {source: digits, name: mine, max_images: 32}")
    assert json.loads(run("prepare", "--config", str(file), "--json").stdout)["name"] == "mine"
    keys = [entry.key for entry in open_storage(load_settings()).list("datasets/")]
    assert [key.split("/")[1] for key in keys] == ["mine"] * 3


def folder_of_all_kinds(folder: Path) -> Path:
    for number in range(40):
        path = folder / "ab"[number % 2] / f"{number:02}.jpg_large"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16), (number, 0, 0)).save(path, "PNG")
    for number in range(6):
        (folder / f"{number}.psd").write_bytes(b"8BPS\0\1" + bytes(40))
    (folder / "readme.txt").write_text("about these pictures")
    (folder / "a" / "broken.png").write_bytes(b"broken")
    return folder


def test_skipped_files_are_reported_by_prepare_and_show_and_recorded_in_the_manifest(tmp_path: Path) -> None:
    folder = folder_of_all_kinds(tmp_path / "pictures")
    values = ["data.source=folder", f"data.location={folder}", "data.name=own", "data.max_bad_fraction=0.1"]
    values.append("data.crop=pad")
    options = [part for value in values for part in ("--set", value)]
    told = run("prepare", *options).stdout
    assert "6 × an unsupported format: Photoshop (0.psd, 1.psd, 2.psd, …)" in told
    assert "1 × another kind of file (readme.txt)" in told
    assert "1 × not an image (a/broken.png)" in told
    shown = json.loads(run("show", "own", "--json").stdout)
    assert shown["class_counts"] == {"a": 20, "b": 20}
    assert {entry["reason"]: entry["count"] for entry in shown["left_out"]} == {
        "an unsupported format: Photoshop": 6,
        "another kind of file": 1,
        "not an image": 1,
    }
    assert shown["location"] == str(folder)
    assert shown["crop"] == "pad"
    with Image.open(shown["sample_grid"]) as grid:
        assert grid.size[0] > 64
    assert "classes  a 20, b 20" in run("show", "own").stdout
    (folder / "more.psd").write_bytes(b"8BPS\0\1" + bytes(40))
    assert "7 × an unsupported format: Photoshop" in run("prepare", *options).stdout


def test_showing_an_unknown_data_set_lists_the_existing_ones() -> None:
    with pytest.raises(UsageError, match="there is no prepared data set 'mine'; there is none yet"):
        run("show", "mine")


def test_a_missing_folder_is_reported_before_any_server_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WGAN_S3_ENDPOINT_URL", "http://127.0.0.1:9")
    values = ["data.source=folder", "data.location=/nowhere/at/all", "data.name=own"]
    with pytest.raises(UsageError, match=r"data\.location='/nowhere/at/all' is not a folder"):
        run("prepare", *(part for value in values for part in ("--set", value)))
