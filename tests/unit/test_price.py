"""The price of an hour: a number and a currency; anything else is refused in one sentence."""

from __future__ import annotations

import pytest

from wgan.errors import UsageError
from wgan.price import parse_price
from wgan.settings import load_settings


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ("2.50 EUR", "about 1.25 EUR"),
        ("2.50EUR", "about 1.25 EUR"),
        ("€2.50", "about €1.25"),
        ("$ 0.5", "about $0.25"),
        ("EUR 2.50", "about EUR 1.25"),
        ("3 Fr", "about 1.50 Fr"),
        ("3000 ¥", "about 1,500 ¥"),
        ("0.001 EUR", "less than 0.01 EUR"),
    ],
)
def test_half_an_hour_costs_half_the_price_in_the_same_currency(text: str, cost: str) -> None:
    assert parse_price(text).in_words(1800) == cost


@pytest.mark.parametrize(
    "text", ["EUR", "2.50", "-1 EUR", "0 EUR", "0.00 EUR", "2,50 EUR", "$2 USD", "2.5.1 EUR", "1e3 EUR", "nan"]
)
def test_an_invalid_price_is_one_sentence(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WGAN_PRICE_PER_HOUR", text)
    with pytest.raises(UsageError) as refused:
        load_settings()
    assert str(refused.value) == (
        f"setting WGAN_PRICE_PER_HOUR={text!r}: it must be a positive number and one currency, such as 2.50 EUR."
    )


def test_a_price_is_shown_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WGAN_PRICE_PER_HOUR", "2.50 EUR")
    assert load_settings().price_per_hour == "2.50 EUR"
    monkeypatch.delenv("WGAN_PRICE_PER_HOUR")
    assert load_settings().price_per_hour is None
