"""A retraining that starts from a registered version: found, fetched, recorded, or rejected in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import pytest
import torch
from safetensors.torch import load_file

from tests.integration.command_line import QUICK, assigned
from tests.integration.untrained_versions import digits_config, register_untrained
from wgan.config import RetrainConfig
from wgan.config_reading import load_config
from wgan.data.prepare import prepare_dataset
from wgan.errors import UsageError
from wgan.records import ModelVersionRef, TrainingRef
from wgan.registry.card import version_card
from wgan.registry.client import registry
from wgan.registry.preconditions import version_to_start_from
from wgan.registry.versions import fetch_weights
from wgan.settings import Settings
from wgan.steps.evaluate import decide_version, measure_training
from wgan.steps.register import register_training
from wgan.steps.train import run_training
from wgan.steps.warm_start import starting_point
from wgan.storage import Storage, split_uri

NAME = "warm-start"
MODEL = f"generator-{NAME}"


def configured(*changes: str) -> RetrainConfig:
    short = ("training.generator_steps=2", "training.precision=float32", "evaluation.memorisation_images=0")
    return load_config("digits", assignments=assigned(*QUICK, *short, f"data.name={NAME}", *changes)[1::2])


def trained(config: RetrainConfig, settings: Settings, storage: Storage) -> TrainingRef:
    return run_training(config, prepare_dataset(config.data, settings, storage), settings, storage, str(uuid4()))


def registered(config: RetrainConfig, settings: Settings, storage: Storage) -> ModelVersionRef:
    evaluation = measure_training(config, trained(config, settings, storage), settings, storage)
    return register_training(config, evaluation, settings, storage)


def content(training: TrainingRef, storage: Storage, path: Path) -> Mapping[str, Mapping[str, torch.Tensor]]:
    bucket, key = split_uri(training.checkpoint_uri)
    storage.at(bucket).get_file(key, path, training.checkpoint_sha256)
    loaded: Mapping[str, Mapping[str, torch.Tensor]] = torch.load(path, weights_only=True)
    return loaded


@pytest.fixture(scope="module")
def first(stack: Settings, storage: Storage) -> ModelVersionRef:
    """A registered version, the champion."""
    version = registered(configured(), stack, storage)
    with registry(stack) as models:
        models.set_alias(MODEL, "champion", version.version)
    return version


def test_a_version_keeps_both_networks_of_its_checkpoint(
    first: ModelVersionRef, stack: Settings, storage: Storage, tmp_path: Path
) -> None:
    checkpoint = content(first.evaluation.training, storage, tmp_path / "checkpoint.pt")
    for name, path in zip(("generator", "critic"), fetch_weights(MODEL, 1, stack, tmp_path), strict=True):
        kept = load_file(path)
        assert kept.keys() == checkpoint[name].keys()
        assert all(torch.equal(tensor, checkpoint[name][key]) for key, tensor in kept.items())


@pytest.mark.parametrize("named", ["champion", "1"])
def test_a_training_starts_from_the_version_and_every_record_says_so(
    named: str, first: ModelVersionRef, stack: Settings, storage: Storage
) -> None:
    config = configured(f"training.start_from={named}", "training.seed=1")
    start = starting_point(config, stack)
    assert start is not None
    version = registered(config, stack, storage)
    assert start.origin == version.evaluation.training.started_from == f"models:/{MODEL}/1"
    assert f"| started from | both networks of `models:/{MODEL}/1` |" in version_card(version, config)
    decision = decide_version(config.promotion, version, stack)
    assert decision.remarks == (f"Training started from both networks of models:/{MODEL}/1.",)
    with registry(stack) as models:
        assert models.version(MODEL, version.version).tags["started_from"] == f"models:/{MODEL}/1"


@pytest.mark.usefixtures("first")
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (("networks.width=8",), "which has networks.width=4; this run has 8"),
        (("networks.latent_dim=9",), "which has networks.latent_dim=8; this run has 9"),
        (("data.image_size=64",), "which has data.image_size=32; this run has 64"),
    ],
)
def test_other_shapes_are_rejected_before_anything_is_done(
    changes: tuple[str, ...], sentence: str, stack: Settings
) -> None:
    with pytest.raises(UsageError, match=sentence):
        version_to_start_from(configured("training.start_from=champion", *changes), stack)


@pytest.mark.usefixtures("first")
def test_a_version_that_does_not_exist_is_rejected(stack: Settings) -> None:
    with pytest.raises(UsageError, match="99"):
        version_to_start_from(configured("training.start_from=99"), stack)


def test_the_first_run_of_a_schedule_has_no_champion_and_starts_from_scratch(stack: Settings) -> None:
    config = load_config("digits", assignments=["data.name=warm-unborn", "training.start_from=champion"])
    assert starting_point(config, stack) is None


def test_a_version_registered_without_its_critic_is_rejected(stack: Settings, storage: Storage) -> None:
    config = digits_config("warm-no-critic")
    register_untrained(config, 1, stack, storage)
    named = config.model_copy(update={"training": config.training.model_copy(update={"start_from": "1"})})
    with pytest.raises(UsageError, match="version 1 of generator-warm-no-critic has no critic to start from"):
        starting_point(named, stack)
