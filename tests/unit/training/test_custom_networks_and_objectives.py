"""Custom networks and objectives train like the built-in ones, and invalid ones are refused in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.unit.training import custom_networks
from tests.unit.training.tiny_training import CPU, Blobs, Recorder, run, tiny, weights
from wgan.config import RetrainConfig
from wgan.config_reading import parse_config
from wgan.errors import CheckpointError, UsageError
from wgan.training.build import new_critic, new_generator
from wgan.training.checkpoint import load_generator
from wgan.training.objectives import objective_of
from wgan.training.sampling import generate_images

MODULE = "tests.unit.training.custom_networks"
NETWORKS = {"generator": f"{MODULE}:LinearGenerator", "critic": f"{MODULE}:LinearCritic"}


@pytest.fixture(autouse=True)
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WGAN_PLUGINS", MODULE)


def own(networks: dict[str, str] = NETWORKS, **training: Any) -> RetrainConfig:
    values = tiny(**{"generator_steps": 3} | training).model_dump()
    return parse_config(values | {"networks": values["networks"] | networks})


def test_custom_networks_train_and_draw_from_their_checkpoint(tmp_path: Path) -> None:
    result = run(own(), Recorder(), tmp_path)
    generator = load_generator(result.checkpoint)
    assert isinstance(generator, custom_networks.LinearGenerator)
    assert generate_images(generator, 0, 3, CPU).shape == (3, 1, Blobs.image_size, Blobs.image_size)


def test_custom_networks_start_from_weights_fixed_by_the_seed() -> None:
    networks = own().networks
    torch.manual_seed(1)
    first = new_generator(networks, 1, 32, seed=5).state_dict()
    torch.manual_seed(2)
    assert all(
        torch.equal(first[name], value) for name, value in new_generator(networks, 1, 32, 5).state_dict().items()
    )
    assert not torch.equal(first["layer.weight"], new_generator(networks, 1, 32, 6).state_dict()["layer.weight"])


def test_building_custom_networks_does_not_change_torchs_default_stream() -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    new_critic(own().networks, 1, 32, seed=5)
    assert torch.equal(torch.rand(1), expected)


def test_a_custom_objective_trains_like_the_built_in_one_it_copies(tmp_path: Path) -> None:
    built_in = run(tiny(objective="gan", generator_steps=3), Recorder(), tmp_path / "built-in")
    named = run(tiny(objective=f"{MODULE}:cross_entropy", generator_steps=3), Recorder(), tmp_path / "own")
    expected = weights(built_in.checkpoint)
    assert all(torch.equal(expected[name], value) for name, value in weights(named.checkpoint).items())


def test_a_class_that_is_not_an_objective_is_refused_with_what_it_lacks() -> None:
    with pytest.raises(UsageError, match="type object, which lacks critic_loss, generator_loss, constrain; it must"):
        objective_of(tiny(objective=f"{MODULE}:half_an_objective").training)


def test_a_class_that_is_not_a_generator_is_refused() -> None:
    with pytest.raises(UsageError, match=r"networks\.generator=.*LinearCritic failed with TypeError"):
        new_generator(own({"generator": f"{MODULE}:LinearCritic"}).networks, 1, 32, seed=0)


def test_a_critic_with_another_output_shape_is_refused() -> None:
    with pytest.raises(UsageError, match=r"ColumnCritic maps \(2, 1, 32, 32\) to \(2, 1\); it must map it to \(2,\)\."):
        new_critic(own({"critic": f"{MODULE}:ColumnCritic"}).networks, 1, 32, seed=0)


def test_a_checkpoint_is_refused_where_its_code_is_not_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = run(own(), Recorder(), tmp_path).checkpoint
    monkeypatch.setenv("WGAN_PLUGINS", "")
    with pytest.raises(UsageError, match="this machine does not import"):
        load_generator(checkpoint)


def test_a_checkpoint_is_refused_with_other_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = own()
    checkpoint = run(config, Recorder(), tmp_path).checkpoint
    monkeypatch.setattr("wgan.plugins._source_digest", lambda module: "0" * 64)
    with pytest.raises(CheckpointError, match="was trained with other code of"):
        load_generator(checkpoint)
    with pytest.raises(CheckpointError, match="was trained with other code of"):
        run(config, Recorder(), tmp_path, resume_from=checkpoint)
