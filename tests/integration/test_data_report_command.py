"""`wgan data report` and `data.deduplicate`, on a folder with copies and faulty images and a real S3 server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from tests.integration.data_object_store import ObjectStore
from tests.unit.data.photographs import photograph
from wgan.commands.data import app
from wgan.errors import UsageError
from wgan.settings import load_settings
from wgan.storage import open_storage

PHOTOGRAPHS, COPIES, BLACK = 40, 4, 3


@pytest.fixture(autouse=True)
def in_a_new_bucket(store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = store.settings(tmp_path)
    monkeypatch.setenv("WGAN_HOME", str(tmp_path))
    monkeypatch.setenv("WGAN_BUCKET", settings.bucket)
    monkeypatch.setenv("WGAN_S3_ENDPOINT_URL", store.endpoint)
    monkeypatch.setenv("WGAN_S3_ACCESS_KEY_ID", store.access_key)
    monkeypatch.setenv("WGAN_S3_SECRET_ACCESS_KEY", store.secret_key)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty photographs, near copies of four of them, three black frames and a file that is no image."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for seed in range(PHOTOGRAPHS):
        photograph(seed).save(pictures / f"{seed:02}.png")
    for seed in range(COPIES):
        photograph(seed).resize((120, 90)).save(pictures / f"copy-{seed}.jpg", quality=80)
    for number in range(BLACK):
        Image.new("RGB", (160, 120)).save(pictures / f"frame-{number}.png")
    (pictures / "broken.jpg").write_bytes(b"broken")
    return pictures


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def prepare(folder: Path, *more: str) -> Any:
    values = [
        "data.source=folder",
        f"data.location={folder}",
        "data.name=own",
        "data.image_size=64",
        "data.channels=3",
        "data.max_bad_fraction=0.1",
        *more,
    ]
    return json.loads(run("prepare", *(part for value in values for part in ("--set", value)), "--json").stdout)


def counts(report: Any) -> dict[str, int]:
    return {finding["name"]: finding["count"] for finding in report["findings"] if finding["count"]}


def test_the_report_names_files_copies_and_faulty_images_and_lies_beside_the_data(folder: Path) -> None:
    prepared = prepare(folder)
    report = json.loads(run("report", "own", "--json").stdout)
    found = counts(report)
    assert found.pop("held_out_copies", 0) <= COPIES  # chance decides which images are held out
    assert found == {"exact_copies": BLACK - 1, "near_copies": COPIES, "blank": BLACK}
    assert report["files"]["formats"] == {"PNG": PHOTOGRAPHS + BLACK, "JPEG": COPIES}
    assert report["files"]["cropped"] == pytest.approx(0.25)  # 4:3
    near = next(finding for finding in report["findings"] if finding["name"] == "near_copies")
    assert {example["name"] for example in near["worst"]} == {f"copy-{seed}.jpg" for seed in range(COPIES)}
    page = Path(report["page"]).read_text()
    assert "broken.jpg" in page
    assert "copy-0.jpg" in page
    assert "http" not in page.replace("http-equiv", "")
    storage, prefix = open_storage(load_settings()), f"datasets/own/{prepared['digest']}/"
    assert storage.get_bytes(f"{prefix}report.html").decode() == page
    assert counts(json.loads(storage.get_bytes(f"{prefix}report.json"))) == counts(report)


def test_people_get_the_findings_the_warnings_and_the_page(folder: Path) -> None:
    prepare(folder)
    told = run("report", "own", "--set", "data.rules.refuse.near_copies=0.01").stdout
    assert "Near copies: 4 (8.5%)" in told
    assert "Refused: Near copies: 4 of 47 images (8.5%), more than data.rules.refuse.near_copies=0.01 allows." in told
    assert "Warning: Blank: 3 of 47 images (6.4%), more than data.rules.warn.blank=0.01 allows." in told


def test_images_that_are_new_are_counted_against_an_earlier_data_set(folder: Path) -> None:
    before = prepare(folder)["digest"]
    (folder / "00.png").unlink()
    photograph(1000).save(folder / "new.png")
    prepare(folder)
    report = json.loads(run("report", "own", "--against", before[:12], "--json").stdout)
    assert report["drift"]["digest"] == before
    assert report["drift"]["extractor"] == "pixels"
    compared = report["compared_with"]
    assert (compared["digest"], compared["new"], compared["gone"]) == (before, 1, 1)


def test_comparing_with_an_unknown_data_set_is_a_usage_mistake(folder: Path) -> None:
    prepare(folder)
    with pytest.raises(UsageError, match="there is no prepared data set 'own' 0123"):
        run("report", "own", "--against", "0123")


def test_leaving_out_copies_is_part_of_the_digest_and_counted(folder: Path) -> None:
    images = PHOTOGRAPHS + COPIES + BLACK
    everything = prepare(folder)
    exact = prepare(folder, "data.deduplicate=exact")
    near = prepare(folder, "data.deduplicate=near")
    assert len({prepared["digest"] for prepared in (everything, exact, near)}) == 3
    totals = [prepared["count"] + prepared["held_out_count"] for prepared in (everything, exact, near)]
    assert totals == [images, images - BLACK + 1, images - BLACK + 1 - COPIES]
    assert {entry["reason"]: entry["count"] for entry in near["left_out"]} == {
        "a near copy of another image": COPIES,
        "an exact copy of another image": BLACK - 1,
        "not an image": 1,
    }
    assert prepare(folder, "data.deduplicate=near") == near  # found prepared
    report = json.loads(run("report", "own", "--digest", near["digest"], "--json").stdout)
    assert counts(report) == {"blank": 1}


def test_a_sources_own_test_split_stays_held_out_without_its_copies() -> None:
    """Of the digits no two are equal, so that leaving out exact copies changes nothing but the digest."""
    values = ["data.max_images=200"]
    options = [part for value in values for part in ("--set", value)]
    plain = json.loads(run("prepare", "--preset", "digits", *options, "--json").stdout)
    exact = json.loads(
        run("prepare", "--preset", "digits", *options, "--set", "data.deduplicate=exact", "--json").stdout
    )
    assert plain["digest"] != exact["digest"]
    assert (plain["count"], plain["held_out_count"]) == (exact["count"], exact["held_out_count"])


def test_nothing_is_wrong_with_the_digits_by_the_rules_of_their_preset() -> None:
    run("prepare", "--preset", "digits")
    report = json.loads(run("report", "digits", "--preset", "digits", "--json").stdout)
    assert counts(report)["held_out_copies"] > 0.02 * 179, "by the default's limit there would be a warning"
    assert report["broken"] == []
