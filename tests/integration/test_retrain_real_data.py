"""The main job on real MNIST from a mirror, and on a folder of images of every kind, good and broken."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.integration.command_line import OPEN_FLOORS, QUICK, assigned, json_of
from tests.integration.stack_commands import run as run_wgan
from wgan.data.manifest import Manifest
from wgan.settings import Settings
from wgan.storage import Storage, split_uri
from wgan.tracking.client import tracking_client

pytestmark = pytest.mark.slow(minutes=4)


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files without a line on standard error for each."""

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@pytest.fixture
def mirror(shared_data: Path) -> Iterator[str]:
    """The real data sets over HTTP on loopback, one folder each."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(shared_data)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def assignments(*more: str) -> list[str]:
    return assigned(*QUICK, *OPEN_FLOORS, *more)


def test_the_mnist_preset_runs_through_on_the_real_files(stack: Settings, mirror: str) -> None:
    outcome = json_of(
        stack, "retrain", "--preset", "mnist", *assignments("evaluation.extractor=auto"), WGAN_MIRROR_URL=mirror
    )
    dataset = outcome["version"]["evaluation"]["training"]["dataset"]
    assert (dataset["count"], dataset["bad_count"], len(dataset["classes"])) == (60_000, 0, 10)
    assert outcome["version"]["model_name"] == "generator-mnist"
    assert {"fid", "precision", "recall", "density", "coverage", "modes", "reverse_kl"} <= set(
        outcome["version"]["evaluation"]["challenger"]["metrics"]
    )


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    """24 good pictures of many kinds and 3 that do not decode."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    noise = np.random.default_rng(0)
    for index in range(18):
        Image.fromarray(noise.integers(0, 256, (40 + index, 50, 3), dtype=np.uint8)).save(
            folder / f"rgb-{index:02}.png"
        )
    grey = noise.integers(0, 256, (48, 48), dtype=np.uint8)
    Image.fromarray(grey).save(folder / "grey.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(folder / "sixteen-bit.png")
    Image.fromarray(noise.integers(0, 256, (48, 48, 4), dtype=np.uint8)).save(folder / "alpha.png")
    Image.fromarray(grey).convert("P").save(folder / "palette.png")
    Image.fromarray(noise.integers(0, 256, (48, 48, 4), dtype=np.uint8), "CMYK").save(folder / "cmyk.jpg")
    Image.new("RGB", (3000, 2000), "red").save(folder / "huge.jpg")
    (folder / "broken.png").write_bytes((folder / "grey.png").read_bytes()[:200])
    (folder / "text.jpg").write_text("not a picture")
    (folder / "empty.png").touch()
    return folder


def of_folder(folder: Path, *more: str) -> list[str]:
    given = ("evaluation.extractor=imagenet-lite", f"data.location={folder}", "data.name=pictures", *more)
    return ["--preset", "photos32", *assigned(*QUICK, *given)]


def test_a_folder_with_broken_files_among_good_ones_runs_through(
    stack: Settings, storage: Storage, image_folder: Path
) -> None:
    outcome = json_of(stack, "retrain", *of_folder(image_folder, "data.max_bad_fraction=0.2"))
    dataset = outcome["version"]["evaluation"]["training"]["dataset"]
    assert (dataset["count"], dataset["bad_count"]) == (24, 3)
    manifest = Manifest.model_validate_json(storage.get_bytes(split_uri(dataset["uri"])[1]))
    assert {Path(bad.name).name for bad in manifest.bad_files} == {"broken.png", "text.jpg", "empty.png"}
    assert all(bad.reason for bad in manifest.bad_files)


def test_a_first_model_of_photographs_that_has_learnt_nothing_is_refused(stack: Settings, image_folder: Path) -> None:
    promotion = json_of(stack, "retrain", *of_folder(image_folder, "data.max_bad_fraction=0.2"))["promotion"]
    assert promotion["action"] == "refused"
    failed = [rule["name"] for rule in promotion["decision"]["rules"] if not rule["passed"]]
    assert {"fid", "recall", "untrained"} <= set(failed)


def test_too_many_broken_files_stop_the_run_with_their_names(stack: Settings, image_folder: Path) -> None:
    errors = run_wgan(stack, "retrain", *of_folder(image_folder), code=1).stderr.replace("\n", " ")
    assert "broken.png" in errors
    assert "max_bad_fraction" in errors
    assert "Traceback" not in errors


def test_a_run_that_fails_after_training_is_marked_as_failed_in_mlflow(stack: Settings, image_folder: Path) -> None:
    unlabelled = of_folder(image_folder, "data.max_bad_fraction=0.2", "evaluation.extractor=classifier")
    errors = run_wgan(stack, "retrain", *unlabelled, code=2).stderr.replace("\n", " ")
    assert "labels" in errors
    assert "Traceback" not in errors
    client = tracking_client(stack)
    experiment = client.get_experiment_by_name(stack.mlflow_experiment)
    newest = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"], max_results=1)[0]
    assert newest.data.params["data_set"] == "pictures"
    assert newest.info.status == "FAILED"
