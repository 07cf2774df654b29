"""Exact copies have the same pixels; near copies are the same picture, encoded, resized or exposed differently."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from tests.unit.data.photographs import photograph
from wgan.data.copies import MOST_BITS, _candidates, exact_copies, hash_images, joined, near_copies
from wgan.data.images import Shape, shaped

COUNT = 24


def prepared(pictures: list[Image.Image], channels: int = 3) -> NDArray[np.uint8]:
    return np.stack([shaped(np.asarray(picture), Shape(64, channels)) for picture in pictures])


def as_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def smaller(picture: Image.Image) -> Image.Image:
    return picture.resize((picture.width // 2, picture.height // 2))


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    return [photograph(seed) for seed in range(COUNT)]


def found(images: NDArray[np.uint8]) -> list[int]:
    return near_copies(hash_images(images)).tolist()


def test_different_photographs_are_no_copies(pictures: list[Image.Image]) -> None:
    assert found(prepared(pictures)) == list(range(COUNT))


@pytest.mark.parametrize(
    "change",
    [
        lambda picture: as_jpeg(picture, 60),
        smaller,
        lambda picture: as_jpeg(smaller(picture), 80),
        lambda picture: ImageEnhance.Brightness(picture).enhance(0.8),
        lambda picture: ImageEnhance.Contrast(picture).enhance(0.8),
        lambda picture: ImageEnhance.Color(picture).enhance(0.3),
    ],
    ids=["JPEG", "half the size", "half the size as JPEG", "darker", "less contrast", "paler"],
)
def test_a_changed_copy_is_found(pictures: list[Image.Image], change: Callable[[Image.Image], Image.Image]) -> None:
    both = prepared([*pictures, *map(change, pictures)])
    assert found(both) == [*range(COUNT), *range(COUNT)]


def test_a_mirrored_picture_is_no_copy(pictures: list[Image.Image]) -> None:
    mirrored = [picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for picture in pictures]
    assert found(prepared([*pictures, *mirrored])) == list(range(2 * COUNT))


def test_copies_of_a_copy_name_the_first_image(pictures: list[Image.Image]) -> None:
    first = pictures[0]
    changed = as_jpeg(first, 70)
    assert found(prepared([first, changed, changed, pictures[1], first])) == [0, 0, 0, 3, 0]


def test_images_that_show_nothing_are_only_copies_if_they_are_exact_ones() -> None:
    noise = np.random.default_rng(0).integers(0, 3, (4, 3, 64, 64), dtype=np.uint8)
    assert found(np.concatenate([noise, noise[:1]])) == [0, 1, 2, 3, 0]


def test_exact_copies_have_every_pixel_in_common() -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 1, 32, 32), dtype=np.uint8)
    images[3] = images[1]
    images[2] = images[1]
    images[2, 0, 5, 5] ^= 1
    assert exact_copies(hash_images(images).pixels).tolist() == [0, 1, 2, 1]


def test_hashes_do_not_depend_on_the_batches(pictures: list[Image.Image]) -> None:
    images = prepared(pictures, channels=1)
    whole, parts = hash_images(images), joined(hash_images(images[start : start + 7]) for start in range(0, COUNT, 7))
    assert all(
        np.array_equal(getattr(whole, name), getattr(parts, name))
        for name in ("pixels", "perceptual", "deviations", "thumbnails")
    )


def test_no_images_have_no_copies() -> None:
    assert near_copies(joined([])).tolist() == []


@given(st.integers(0, 2**32 - 1))
def test_every_pair_of_close_hashes_is_a_candidate_once(seed: int) -> None:
    """Against all pairs, compared one by one; fewer than `MOST_ALIKE` hashes, so that none is passed over."""
    generator = np.random.default_rng(seed)
    hashes = generator.integers(0, 2**64, 40, dtype=np.uint64)
    for place in range(20):  # half of them differ from another one in a few bits
        for bit in generator.choice(64, generator.integers(0, 12), replace=False):
            hashes[20 + place] = hashes[20 + place] if bit == 0 else hashes[place] ^ np.uint64(1 << int(bit))
    pairs = [
        pair for first, second in _candidates(hashes) for pair in zip(first.tolist(), second.tolist(), strict=True)
    ]
    close = {
        (one, other)
        for one in range(40)
        for other in range(one + 1, 40)
        if (int(hashes[one]) ^ int(hashes[other])).bit_count() <= MOST_BITS
    }
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == close
