"""An address from outside may redirect to others outside, and never into this machine's networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from wgan.download.access import RetryPolicy
from wgan.download.fetch import download
from wgan.errors import DataError

OUTSIDE, ALSO_OUTSIDE = "http://93.184.216.34/images.zip", "http://8.8.8.8/images.zip"
ONCE = RetryPolicy(attempts=1)


@dataclass
class Network:
    """Simulates the network: `redirects` by address, else a file; `peers`: the address that answers for a host."""

    redirects: dict[str, str] = field(default_factory=dict)
    peers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def answer(self, request: httpx.Request) -> httpx.Response:
        url = str(request.url)
        self.asked.append(url)
        peer = Peer(self.peers[request.url.host]) if request.url.host in self.peers else None
        extensions = {"network_stream": peer} if peer else {}
        if url in self.redirects:
            return httpx.Response(302, headers={"Location": self.redirects[url]}, extensions=extensions)
        return httpx.Response(200, stream=httpx.ByteStream(b"picture"), extensions=extensions)


@dataclass
class Peer:
    address: str

    def get_extra_info(self, name: str) -> tuple[str, int]:
        return self.address, 80


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    network = Network()
    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", lambda _, request: network.answer(request))
    for variable in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    return network


@pytest.fixture
def fetched(tmp_path: Path) -> Callable[[str], bytes]:
    def fetch(url: str) -> bytes:
        path = tmp_path / "file"
        download([url], path, max_bytes=100, retries=ONCE, progress=lambda *_: None, remedy="give its path")
        return path.read_bytes()

    return fetch


@pytest.mark.parametrize(
    "inside",
    [
        "http://127.0.0.1:5000/api", "http://localhost/", "http://[::1]/", "http://10.0.0.1/", "http://192.168.1.1/",
        "http://0.0.0.0/", "http://[::ffff:127.0.0.1]/", "http://metadata.localhost/",
    ],
)  # fmt: skip
def test_a_redirect_from_outside_into_this_machines_networks_is_refused(
    network: Network, fetched: Callable[[str], bytes], inside: str
) -> None:
    network.redirects = {OUTSIDE: ALSO_OUTSIDE, ALSO_OUTSIDE: inside}
    with pytest.raises(DataError, match="an address inside this machine's networks: refused"):
        fetched(OUTSIDE)
    assert network.asked == [OUTSIDE, ALSO_OUTSIDE]


@pytest.mark.parametrize("start", [OUTSIDE, "http://127.0.0.1:9000/images.zip"])
def test_nothing_is_fetched_from_link_local_addresses(
    network: Network, fetched: Callable[[str], bytes], start: str
) -> None:
    credentials = "http://169.254.169.254/latest/meta-data/"
    network.redirects = {start: credentials}
    with pytest.raises(DataError, match="link-local address: nothing is fetched from there"):
        fetched(start)
    assert network.asked == [start]
    with pytest.raises(DataError, match="link-local address"):
        fetched(credentials)
    assert network.asked == [start]


def test_a_name_that_resolves_anew_into_this_machines_networks_is_refused_by_its_peer(
    network: Network, fetched: Callable[[str], bytes]
) -> None:
    network.redirects, network.peers = {OUTSIDE: ALSO_OUTSIDE}, {"8.8.8.8": "10.0.0.1"}
    with pytest.raises(DataError, match=r"leads to 10\.0\.0\.1, an address inside"):
        fetched(OUTSIDE)


@pytest.mark.parametrize(
    "redirects",
    [
        {OUTSIDE: ALSO_OUTSIDE},
        {"http://127.0.0.1:9000/a": "http://127.0.0.1:9000/b"},
        {"http://127.0.0.1:9000/a": ALSO_OUTSIDE},
    ],
)
def test_other_redirects_are_followed(
    network: Network, fetched: Callable[[str], bytes], redirects: dict[str, str]
) -> None:
    network.redirects = redirects
    assert fetched(next(iter(redirects))) == b"picture"
