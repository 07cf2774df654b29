"""Batches of any length become shards of one length."""

from __future__ import annotations

import numpy as np
import pytest

from wgan.data.images import Shape
from wgan.data.shards import SHARD_BYTES, cut_into_shards, images_per_shard, regroup

SHAPE = Shape(2, 1)


@pytest.mark.parametrize("lengths", [[10], [1] * 10, [3, 0, 7], [4, 4, 2], [9, 1]])
def test_the_images_keep_their_order_and_only_the_last_shard_is_shorter(lengths: list[int]) -> None:
    images = np.arange(10 * 4, dtype=np.uint8).reshape(10, 1, 2, 2)
    ends = np.cumsum(lengths)
    batches = [images[end - length : end] for length, end in zip(lengths, ends, strict=True)]
    shards = [shard.copy() for shard in regroup(batches, SHAPE, per_shard=4)]
    assert [len(shard) for shard in shards] == [4, 4, 2]
    assert np.array_equal(np.concatenate(shards), images)


@pytest.mark.parametrize("lengths", [[10], [1] * 10, [3, 0, 7], [4, 4, 2], [9, 1], [0, 5, 5, 0]])
def test_blocks_that_stay_elsewhere_are_cut_into_the_same_shards(lengths: list[int]) -> None:
    images = np.arange(10)
    ends = np.cumsum(lengths)
    blocks = [(images[end - length : end], length) for length, end in zip(lengths, ends, strict=True)]
    shards = [
        np.concatenate([cut.blocks[0][cut.skip :], *cut.blocks[1:]])[: cut.count]
        for cut in cut_into_shards(blocks, per_shard=4)
    ]
    assert [shard.tolist() for shard in shards] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_without_images_there_is_no_shard() -> None:
    assert list(regroup([], SHAPE, per_shard=4)) == []


def test_a_shard_holds_64_mebibytes_of_pixels() -> None:
    assert SHARD_BYTES == 64 * 2**20
    assert images_per_shard(Shape(64, 3)) == 64 * 2**20 // (3 * 64 * 64)
