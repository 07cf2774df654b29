"""Mirror images as augmentation: half of the images, drawn anew for every batch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tests.unit.training.tiny_training import CPU, Blobs, tiny
from wgan.training.batches import DataOrder, RealBatches
from wgan.training.inputs import StepInputs, mirror
from wgan.training.world import World

SIZE = 200


def drawn(step: int, mirrored: bool, rank: int = 0, seed: int = 0) -> Tensor:
    """The real images of a critic step, as bytes (200, 1, 32, 32)."""
    config = tiny(batch_size=SIZE, seed=seed)
    config = config.model_copy(update={"data": config.data.model_copy(update={"mirror": mirrored})})
    world = World(rank, 2, lambda tensors: None)
    inputs = StepInputs(config, RealBatches(Blobs(), DataOrder(40, SIZE, seed, world), CPU), CPU, world)
    inputs.draw_for_critic(step)
    return inputs.pixels.clone()


def flipped(step: int, **stream: int) -> Tensor:
    """Which images of the batch are mirror images (200,); no disc of `Blobs` is symmetric."""
    plain, augmented = drawn(step, mirrored=False, **stream), drawn(step, mirrored=True, **stream)
    same = (augmented == plain).flatten(1).all(dim=1)
    turned = (augmented == plain.flip(3)).flatten(1).all(dim=1)
    assert (same ^ turned).all()
    return turned


def test_only_the_chosen_images_are_mirrored_left_to_right() -> None:
    images = torch.arange(12).reshape(2, 1, 2, 3)
    mirror(images, torch.tensor([False, True]))
    assert images.flatten().tolist() == [0, 1, 2, 3, 4, 5, 8, 7, 6, 11, 10, 9]


def test_about_half_of_a_batch_is_mirrored() -> None:
    # 200 coins: outside of 60 … 140 with a probability of about 1e-8.
    assert 60 < int(flipped(0).sum()) < 140


def test_which_ones_depends_on_seed_rank_and_step_alone() -> None:
    first = flipped(3)
    assert torch.equal(first, flipped(3))
    assert not torch.equal(first, flipped(4))
    assert not torch.equal(first, flipped(3, rank=1))
    assert not torch.equal(first, flipped(3, seed=1))


def test_no_image_is_mirrored_by_default() -> None:
    order = DataOrder(40, 8, 0, World())
    inputs = StepInputs(tiny(), RealBatches(Blobs(), order, CPU), CPU)
    inputs.draw_for_critic(0)
    assert np.array_equal(inputs.pixels.numpy(), Blobs().images[order.indices(0)])
