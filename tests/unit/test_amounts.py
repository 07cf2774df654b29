"""Amounts of images: a number, or a share of those there were."""

from __future__ import annotations

import pytest

from wgan.amounts import images_of, is_amount


@pytest.mark.parametrize(
    ("amount", "before", "images"),
    [("500", 10, 500), ("5%", 1000, 50), ("5%", 1001, 51), ("0.5%", 1000, 5), ("150%", 10, 15), ("0%", 1000, 1)],
)
def test_a_share_is_rounded_up_to_at_least_one_image(amount: str, before: int, images: int) -> None:
    assert images_of(amount, before) == images


@pytest.mark.parametrize("text", ["", "0", "-5", "5.5", "5 %", "%", "many", "1e3", "٥", "500\n"])
def test_anything_else_is_no_amount(text: str) -> None:
    assert not is_amount(text)
