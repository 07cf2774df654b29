"""The moving average of the generator's weights: what it is, and that it is what is drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.unit.training.tiny_training import CPU, Recorder, run, tiny, weights
from wgan.errors import CheckpointError
from wgan.training.average import decay_at, new_average, update_average
from wgan.training.checkpoint import load_checkpoint, load_generator
from wgan.training.sampling import generate_images
from wgan.training.state import new_state


@pytest.mark.parametrize(("step", "decay"), [(0, 0.1), (1, 2 / 11), (8, 0.5), (890, 0.99), (891, 0.99), (9000, 0.99)])
def test_the_decay_warms_up_as_tensorflows_does(step: int, decay: float) -> None:
    """min(decay, (1 + num_updates) / (10 + num_updates)), from tf.train.ExponentialMovingAverage."""
    assert decay_at(step, 0.99) == pytest.approx(decay)


def test_the_average_is_the_weighted_sum_of_the_weights_so_far() -> None:
    generator = new_state(tiny(), CPU).generator
    average = new_average(generator)
    weight, statistic = generator.layers[-2].bias, generator.layers[1].running_mean
    expected = 0.0
    for step, value in enumerate((3.0, -1.0, 7.0), start=1):
        with torch.no_grad():
            weight.fill_(value)
            statistic.fill_(value)
            generator.layers[1].num_batches_tracked.fill_(step)
        update_average(average, generator, 0.25, step)
        decay = min(0.25, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    assert average.layers[-2].bias.item() == pytest.approx(expected)
    assert average.layers[1].running_mean[0].item() == pytest.approx(expected)
    assert average.layers[1].num_batches_tracked.item() == 3
    assert weight.item() == 7.0


@pytest.fixture(scope="module")
def averaged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Recorder]:
    observer = Recorder()
    config = tiny(generator_steps=2, ema_decay=0.9, lr=1e-2)
    return run(config, observer, tmp_path_factory.mktemp("averaged")).checkpoint, observer


def test_a_checkpoint_holds_both_and_its_generator_is_the_average(averaged: tuple[Path, Recorder]) -> None:
    content = torch.load(averaged[0], weights_only=True)
    drawn = load_generator(averaged[0]).state_dict()
    assert all(torch.equal(tensor, content["average"][name]) for name, tensor in drawn.items())
    assert not torch.equal(content["average"]["layers.0.weight"], content["generator"]["layers.0.weight"])


def test_sample_grids_are_drawn_from_the_average(averaged: tuple[Path, Recorder]) -> None:
    checkpoint, observer = averaged
    assert np.array_equal(observer.grids[2], generate_images(load_generator(checkpoint), 0, 4))


def test_averaging_changes_no_weight(averaged: tuple[Path, Recorder], tmp_path: Path) -> None:
    without = weights(run(tiny(generator_steps=2, lr=1e-2), Recorder(), tmp_path).checkpoint)
    ours = weights(averaged[0])
    assert ours.keys() == without.keys()
    assert all(torch.equal(ours[name], without[name]) for name in ours)


@pytest.mark.parametrize("average", [None, {}, {"layers.0.weight": torch.zeros(3)}, {"layers.0.weight": "text"}])
def test_a_checkpoint_with_a_damaged_average_is_refused(
    averaged: tuple[Path, Recorder], average: object, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.pt"
    torch.save(torch.load(averaged[0], weights_only=True) | {"average": average}, damaged)
    with pytest.raises(CheckpointError, match="damaged"):
        load_generator(damaged)


def test_an_average_that_is_not_finite_is_refused(averaged: tuple[Path, Recorder], tmp_path: Path) -> None:
    content = torch.load(averaged[0], weights_only=True)
    content["average"]["layers.0.weight"][0] = torch.nan
    torch.save(content, tmp_path / "nan.pt")
    config = tiny(generator_steps=2, ema_decay=0.9, lr=1e-2)
    with pytest.raises(CheckpointError, match="NaN or infinite"):
        load_checkpoint(tmp_path / "nan.pt", new_state(config, CPU), config, "data")
    with pytest.raises(CheckpointError, match="NaN or infinite"):
        load_generator(tmp_path / "nan.pt")
