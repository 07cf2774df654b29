"""The generator's range becomes bytes, and a seed becomes noise, the same everywhere."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wgan.latents import draw_latents
from wgan.pixels import image_grid, to_bytes


def test_the_ends_and_the_middle_of_the_range_become_0_255_and_128() -> None:
    """127.5 rounds to the even 128."""
    values = np.array([-1.0, 1.0, 0.0, -7.0, 7.0], dtype=np.float32)
    assert to_bytes(values).tolist() == [0, 255, 128, 0, 255]


@given(st.integers(0, 255))
def test_every_byte_survives_conversion_to_floats_and_back(value: int) -> None:
    assert to_bytes(np.array([value / 127.5 - 1.0], dtype=np.float32))[0] == value


@given(st.integers(0, 2**31), st.integers(1, 20), st.integers(1, 20))
def test_fewer_latents_of_a_seed_are_the_first_of_more(seed: int, few: int, more: int) -> None:
    assert np.array_equal(draw_latents(seed, few, 7), draw_latents(seed, few + more, 7)[:few])


def test_latents_are_standard_normal() -> None:
    """Mean 0 ± 4/sqrt(n), variance 1 ± 4·sqrt(2/n)."""
    values = draw_latents(5, 1000, 100)
    assert values.dtype == np.float32
    assert abs(values.mean()) < 4 / np.sqrt(values.size)
    assert abs(values.var() - 1) < 4 * np.sqrt(2 / values.size)


def test_a_grid_places_every_image_in_order() -> None:
    images = np.zeros((5, 1, 4, 4), dtype=np.uint8)
    images[4] = 200
    grid = np.asarray(image_grid(images, columns=3, scale=2, gap=1))
    assert grid.shape == (2 * 9 + 1, 3 * 9 + 1)
    assert (grid[10:18, 10:18] == 200).all()
    assert (grid[1:9, 1:9] == 0).all()


def test_a_colour_grid_keeps_its_channels() -> None:
    images = np.zeros((1, 3, 2, 2), dtype=np.uint8)
    images[:, 1] = 255
    assert image_grid(images, gap=0).getpixel((0, 0)) == (0, 255, 0)
