"""`wgan evaluate` on real servers: a version or a checkpoint beside real images and an untrained generator."""

from __future__ import annotations

import json
import os
import time
import uuid
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.integration.untrained_versions import digits_config, register_untrained
from wgan.cli import app
from wgan.commands.evaluate import evaluate
from wgan.config import DataConfig, RetrainConfig
from wgan.data.dataset import open_dataset
from wgan.data.prepare import prepare_dataset
from wgan.errors import CheckpointError, DataError, UsageError
from wgan.evaluation import published
from wgan.evaluation.published import published_numbers
from wgan.records import PublishedNumbers
from wgan.registry.promotion import promote
from wgan.settings import Settings
from wgan.steps.measure import named_protocol
from wgan.storage import Storage
from wgan.training.checkpoint import save_checkpoint
from wgan.training.state import new_state

pytestmark = pytest.mark.usefixtures("stack_home")


@pytest.fixture(scope="module")
def config() -> RetrainConfig:
    return digits_config(f"evaluated-{uuid.uuid4().hex[:8]}", max_images=300)


@pytest.fixture(scope="module")
def model(config: RetrainConfig, stack: Settings, storage: Storage) -> str:
    """Version 1 is the champion."""
    storage.ensure_bucket()
    first = register_untrained(config, 1, stack, storage)
    promote(first, None, stack, storage, force=True, reason="somebody must be first", expected_champion=None)
    return first.model_name


def saved(config: RetrainConfig, folder: Path, digest: str = "ab" * 32) -> Path:
    """A checkpoint of step 0, whose data is not in storage."""
    return save_checkpoint(folder, new_state(config, torch.device("cpu")), config, digest)


@pytest.fixture
def checkpoint(config: RetrainConfig, tmp_path: Path) -> Path:
    return saved(config, tmp_path)


def test_a_version_is_found_by_its_alias_and_printed_as_one_json_object(
    model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(model, "champion", protocol="standard", as_json=True)
    report = json.loads(capsys.readouterr().out)
    assert report["target"] == f"models:/{model}/1"
    measured = report["measurement"]
    assert measured["protocol"]["sample_count"] == 64
    assert set(measured["metrics"]) == {
        "fid", "kernel_distance", "precision", "recall", "density", "coverage", "sliced_wasserstein", "memorisation",
    }  # fmt: skip
    assert report["bounds"]["untrained"]["protocol"] == measured["protocol"]
    evaluate(model, "1", protocol="standard", as_json=True)
    assert json.loads(capsys.readouterr().out) == report


def test_a_checkpoint_is_measured_with_its_own_configuration(
    model: str, checkpoint: Path, stack: Settings, storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(str(checkpoint), protocol="quick", fetch_data=True, as_json=True)
    local = json.loads(capsys.readouterr().out)
    assert local["dataset"]["name"] == model.removeprefix("generator-")
    assert local["measurement"]["protocol"]["seeds"] == [1000, 1001]
    address = storage.put_file("checkpoints/evaluated.pt", checkpoint)
    evaluate(model, address, protocol="quick", fetch_data=True, as_json=True)
    assert json.loads(capsys.readouterr().out)["measurement"] == local["measurement"]


def test_a_checkpoint_whose_data_is_in_storage_is_measured_on_it(
    config: RetrainConfig, stack: Settings, storage: Storage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = prepare_dataset(config.data, stack, storage)
    evaluate(str(saved(config, tmp_path, dataset.digest)), protocol="quick", as_json=True)
    assert json.loads(capsys.readouterr().out)["dataset"]["digest"] == dataset.digest


@pytest.mark.parametrize("source", ["folder", "archive", "s3"])
def test_the_source_in_a_checkpoint_is_not_read_without_consent(
    config: RetrainConfig, source: str, tmp_path: Path
) -> None:
    location = "s3://wgan/elsewhere" if source == "s3" else "http://192.0.2.1/images.zip"
    if source == "folder":
        os.mkfifo(tmp_path / "a.png")
        location = str(tmp_path)
    data = DataConfig(source=source, location=location, name=f"named-by-a-file-{source}")
    forged = saved(config.model_copy(update={"data": data}), tmp_path)
    started = time.monotonic()
    with pytest.raises(DataError, match=f"is not in storage: --fetch-data prepares it .*data.location={location}"):
        evaluate(str(forged), protocol="quick")
    assert time.monotonic() - started < 10


def test_a_checkpoint_without_a_prepared_data_set_is_refused(config: RetrainConfig, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="names no prepared data set"):
        evaluate(str(saved(config, tmp_path, "../../elsewhere")), protocol="quick")


def test_people_see_every_metric_with_its_bounds_and_what_they_mean(
    model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(model, "champion")
    shown = capsys.readouterr().out
    for part in (
        "real images",
        "untrained",
        "Sliced Wasserstein",
        "images are held out, the protocol asks for 64",
        "k = 5",
    ):
        assert part in shown


@pytest.mark.parametrize(
    ("target", "version", "sentence"),
    [
        ("generator-absent", "1", "generator-absent"),
        ("absent.pt", "champion", r"there is no checkpoint absent\.pt"),
        ("s3://wgan/absent.pt", "champion", r"there is no s3://wgan/absent\.pt"),
    ],
)
def test_what_does_not_exist_is_named_in_one_sentence(model: str, target: str, version: str, sentence: str) -> None:
    with pytest.raises((UsageError, CheckpointError), match=sentence):
        evaluate(target, version, protocol="quick")


def test_an_unknown_version_lists_the_existing_ones(model: str) -> None:
    with pytest.raises(UsageError, match="no version 7: there are 1"):
        evaluate(model, "7", protocol="quick")


def test_a_checkpoint_of_another_model_is_refused(model: str, checkpoint: Path) -> None:
    with pytest.raises(UsageError, match=rf"is a checkpoint of {model}, not of generator-other"):
        evaluate("generator-other", str(checkpoint), protocol="quick")


def test_the_training_sets_moments_are_measured_once(
    config: RetrainConfig, stack: Settings, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pixels(rgb: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return rgb[:, 0, 10:12, 16].float(), rgb[:, 0, 0, :4].float()

    # Inception's weights cannot be had without a network; what is cached does not depend on them.
    monkeypatch.setattr(published, "load_inception", lambda *arguments: pixels)
    monkeypatch.setattr(published, "GENERATED", 300)
    images = open_dataset(prepare_dataset(config.data, stack, storage), stack, storage)
    totals: list[int | None] = []

    def numbers() -> PublishedNumbers:
        return published_numbers(
            lambda seed, count: np.full((count, 1, 32, 32), 7, dtype=np.uint8),
            images,
            1000,
            stack,
            storage,
            "cpu",
            lambda stage, done, total: totals.append(total),
        )

    first = numbers()
    assert set(totals) == {300 + images.count}
    totals.clear()
    assert numbers() == first
    assert set(totals) == {300}
    (moments,) = [entry.key for entry in storage.list(f"{stack.evaluation_prefix}/published-")]
    storage.put_bytes(moments, storage.get_bytes(moments)[:-40])  # damaged: measured again
    totals.clear()
    assert numbers() == first
    assert set(totals) == {300 + images.count}


def test_weights_without_the_papers_protocol_are_refused(model: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--weights is for --protocol paper; --protocol quick does not use"):
        evaluate(model, protocol="quick", weights=tmp_path / "weights.pth")


def test_weights_that_are_not_inceptions_are_refused_before_anything_is_measured(model: str, tmp_path: Path) -> None:
    absent = tmp_path / "weights.pth"
    with pytest.raises(UsageError, match=r"--weights .*weights\.pth is not a file"):
        evaluate(model, protocol="paper", weights=absent)
    absent.write_bytes(b"something else")
    with pytest.raises(UsageError, match=r"weights\.pth has SHA-256 .*it must be weights-inception"):
        evaluate(model, protocol="paper", weights=absent)


def test_the_command_is_registered() -> None:
    assert "evaluate" in {command.callback.__name__ for command in app.registered_commands if command.callback}


def test_the_protocols_are_the_runs_own_a_quick_one_and_the_papers(config: RetrainConfig) -> None:
    assert named_protocol(config, "standard") == config.evaluation
    quick = named_protocol(RetrainConfig(), "quick")
    assert (quick.sample_count, quick.seeds) == (256, 3)
    paper = named_protocol(config, "paper")
    assert (paper.extractor, paper.sample_count) == ("inception", 10_000)  # Lucic et al. 2018
    stacked = RetrainConfig.model_validate({"data": {"source": "stacked-mnist", "channels": 3}})
    pacgan = named_protocol(stacked, "paper")
    assert (pacgan.extractor, pacgan.sample_count, pacgan.captured_share) == ("classifier", 26_000, 0)
