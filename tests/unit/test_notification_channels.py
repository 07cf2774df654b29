"""WGAN_NOTIFY_URL names several addresses; a wrong one is refused without showing it."""

from __future__ import annotations

import pytest

from flows.channels import open_channels
from wgan.errors import UsageError

SLACK_HOOK = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"


@pytest.mark.parametrize(
    ("addresses", "kinds"),
    [
        ("http://example.org/hook?token=a,b", ["http"]),
        ("https://example.org/hook json://example.org", ["https", "json"]),
        ("https://example.org/hook,\n mailto://user:word@example.org,", ["https", "mailto"]),
        (SLACK_HOOK, ["https"]),
    ],
)
def test_addresses_are_separated_by_spaces_commas_and_line_breaks(addresses: str, kinds: list[str]) -> None:
    assert [channel.kind for channel in open_channels(addresses)] == kinds


@pytest.mark.parametrize("address", ["nonsense://token-271828", "token-271828", "slack://token-271828", "http://"])
def test_an_address_that_is_not_understood_is_named_by_its_place(address: str) -> None:
    with pytest.raises(UsageError, match="address 2 of WGAN_NOTIFY_URL is neither") as refusal:
        open_channels(f"https://example.org/hook {'' if '://' in address else 'x://'}{address}")
    assert "271828" not in str(refusal.value)


def test_a_channel_in_a_message_shows_no_more_than_its_scheme() -> None:
    assert str(open_channels("https://example.org/token-271828")[0]) == "address 1 of WGAN_NOTIFY_URL (https://)"
