"""The environment's proxies: never used for this machine, and normalised for every client."""

from __future__ import annotations

import os
import urllib.request

import boto3
import httpx
import pytest
import requests
from botocore.config import Config
from botocore.utils import get_environ_proxies

from wgan.errors import UsageError
from wgan.proxies import PROXIES, no_proxy_value, normalise_proxies

NOWHERE = "127.0.0.1:9"
"""Nothing listens there."""


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def test_this_machine_is_added_to_both_spellings() -> None:
    environment = {"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": "intranet, 127.0.0.1", "no_proxy": "other"}
    normalise_proxies(environment)
    assert environment["NO_PROXY"] == environment["no_proxy"] == "intranet,127.0.0.1,other,localhost,::1"


def test_a_second_call_changes_nothing() -> None:
    environment = {"ALL_PROXY": "socks://proxy:1080"}
    normalise_proxies(environment)
    once = dict(environment)
    normalise_proxies(environment)
    assert environment == once


def test_without_a_proxy_nothing_is_set() -> None:
    environment: dict[str, str] = {}
    normalise_proxies(environment)
    assert environment == {}


def test_a_star_stays_alone() -> None:
    """urllib treats it as everything only then."""
    assert no_proxy_value({"NO_PROXY": "intranet,*"}) == {"NO_PROXY": "*", "no_proxy": "*"}


def test_the_scheme_socks_means_socks5() -> None:
    environment = {"all_proxy": "socks://127.0.0.1:1080/"}
    normalise_proxies(environment)
    assert environment["all_proxy"] == "socks5://127.0.0.1:1080/"


@pytest.mark.parametrize("name", ["HTTP_PROXY", "https_proxy", "ALL_PROXY"])
def test_an_unusable_proxy_is_one_sentence_without_its_password(name: str) -> None:
    with pytest.raises(UsageError, match=rf"^{name} names a proxy of the kind socks4://.* http://, https://") as error:
        normalise_proxies({name: "socks4://user:hunter2@proxy:1080"})
    assert "hunter2" not in str(error.value)


def test_a_proxy_for_all_is_one_for_the_clients_that_read_only_http_and_https() -> None:
    environment = {"ALL_PROXY": "http://proxy:3128", "https_proxy": "http://other:3128"}
    normalise_proxies(environment)
    assert environment["HTTP_PROXY"] == environment["http_proxy"] == "http://proxy:3128"
    assert environment["https_proxy"] == "http://other:3128"
    assert "HTTPS_PROXY" not in environment


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_every_client_bypasses_both_kinds_of_proxy_for_this_machine(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy.invalid:1080")
    normalise_proxies(os.environ)
    url = f"http://{host}:{NOWHERE.partition(':')[2]}/"
    # Refused by this machine itself: a proxy's name would not have been found.
    with pytest.raises(httpx.ConnectError, match="refused"):
        httpx.get(url)
    with pytest.raises(requests.ConnectionError, match="refused"):
        requests.get(url, timeout=5)
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(url, timeout=5)
    assert get_environ_proxies(url) == {}


def test_a_client_for_s3_can_be_made_with_a_socks_proxy_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy.invalid:1080")
    normalise_proxies(os.environ)
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{NOWHERE}",
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=Config(retries={"max_attempts": 0}),
    )
    with pytest.raises(Exception, match=f"Could not connect to the endpoint URL.*{NOWHERE}"):
        client.list_buckets()


def test_a_socks_proxy_is_used_for_other_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens at this one; without support for SOCKS the clients cannot even be created."""
    monkeypatch.setenv("ALL_PROXY", f"socks5h://{NOWHERE}")
    normalise_proxies(os.environ)
    with pytest.raises(httpx.ConnectError, match="refused"):
        httpx.get("http://elsewhere.invalid/")
    with pytest.raises(requests.ConnectionError, match="SOCKS"):
        requests.get("http://elsewhere.invalid/", timeout=5)
