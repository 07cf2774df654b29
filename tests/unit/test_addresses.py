"""No credentials in an address that is shown, and no way into this machine's networks."""

from __future__ import annotations

import pytest

from wgan.addresses import credential_in, is_inside, is_link_local
from wgan.config_reading import load_config
from wgan.errors import UsageError

SECRET = "tuBwYDFEzFpn"
WITH_CREDENTIALS = [
    f"https://user:{SECRET}@example.org/a.zip",
    f"https://{SECRET}@example.org/a.zip",
    f"https://example.org/a.zip?X-Amz-Credential=abc&X-Amz-Signature={SECRET}",
    f"https://example.org/a.zip?AWSAccessKeyId=abc&Signature={SECRET}&Expires=1",
    f"https://example.org/a.zip?sv=2024&sig={SECRET}",
    f"https://example.org/a.zip?X-Goog-Signature={SECRET}",
    f"https://example.org/a.zip?token={SECRET}",
    f"https://example.org/a.zip?access_token={SECRET}",
    f"https://example.org/a.zip?api_key={SECRET}",
    f"https://example.org/a.zip?apikey={SECRET}",
    f"https://example.org/a.zip?password={SECRET}",
    f"https://example.org/a.zip#token={SECRET}",
    f"s3://key:{SECRET}@bucket/images",
]
PLAIN = [
    "https://example.org/a.zip",
    "https://example.org/a.zip?download=1&version=3",
    "https://example.org/uc?export=download&id=0B7EVK8r0v71pZjFTYXZWM3FlRnM",
    "https://example.org/keys/tokens.zip?monkey=1&design=2",
    "s3://bucket/images",
]


@pytest.mark.parametrize("url", WITH_CREDENTIALS)
def test_a_location_with_a_credential_is_refused_without_showing_it(url: str) -> None:
    source = "s3" if url.startswith("s3") else "archive"
    with pytest.raises(UsageError, match="must not hold a credential") as raised:
        load_config("digits", assignments=[f"data.source={source}", "data.name=a", f"data.location={url}"])
    assert SECRET not in str(raised.value)
    assert ".netrc" in str(raised.value)


@pytest.mark.parametrize("url", PLAIN)
def test_other_addresses_are_accepted(url: str) -> None:
    assert credential_in(url) is None


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "::1", "[::1]", "10.0.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "::ffff:127.0.0.1",
             "fe80::1", "localhost", "a.localhost", "localhost."],
)  # fmt: skip
def test_addresses_of_this_machine_and_its_networks_are_inside(host: str) -> None:
    assert is_inside(host)


@pytest.mark.parametrize("host", ["8.8.8.8", "2001:4860:4860::8888"])
def test_public_addresses_are_not_inside_inside(host: str) -> None:
    assert not is_inside(host)
    assert not is_link_local(host)


def test_link_local_addresses_are_recognised() -> None:
    assert is_link_local("169.254.169.254")
    assert is_link_local("fe80::1")
    assert not is_link_local("127.0.0.1")
