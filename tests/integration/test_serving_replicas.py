"""Two serving replicas behind nginx, with the configuration of `infra/nginx`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import free_ports
from tests.documents import ROOT
from tests.drills.serving_load import COUNTS, SEED, load
from tests.integration.serving_process import Serving, client_of, register, serving
from tests.integration.stack_commands import wait_for
from wgan.model_version.inference import open_generator
from wgan.registry.versions import fetch_version
from wgan.settings import Settings

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = [
    pytest.mark.slow(minutes=2),
    pytest.mark.skipif(NGINX is None and "CI" not in os.environ, reason="nginx is not installed"),
]
ASK = {"count": 2, "seed": SEED}


@dataclass(frozen=True)
class Replicas:
    """Two serving processes, and the proxy before them."""

    processes: tuple[Serving, Serving]
    proxy: str
    settings: Settings
    model: str
    images: Mapping[str, NDArray[np.uint8]]
    """Version → what it draws of `SEED`."""

    def promote(self, version: str) -> None:
        client_of(self.settings).set_registered_model_alias(self.model, "champion", version)


@pytest.fixture(scope="module")
def replicas(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    folder = tmp_path_factory.mktemp("replicas")
    name = f"replicas-{uuid.uuid4().hex[:8]}"
    model = f"generator-{name}"
    versions = [str(register(stack, folder, name, seed).version) for seed in (1, 2)]
    images = {
        version: open_generator(fetch_version(model, int(version), stack, folder / version)).generate(
            SEED, max(COUNTS), batch_size=1
        )
        for version in versions
    }
    client_of(stack).set_registered_model_alias(model, "champion", versions[0])
    (folder / "one").mkdir()
    (folder / "two").mkdir()
    with serving(stack, model, folder / "one") as one, serving(stack, model, folder / "two") as two:
        one.wait_ready()
        two.wait_ready()
        with proxy(folder / "nginx", one, two) as address:
            yield Replicas((one, two), address, stack, model, images)


@contextmanager
def proxy(folder: Path, *servers: Serving) -> Iterator[str]:
    """nginx's address before the servers, with the configuration that the containers have."""
    assert NGINX is not None, "nginx is not installed"
    shutil.copytree(ROOT / "infra/nginx", folder)
    [port] = free_ports(1)
    lines = (folder / "replicas.conf").read_text().splitlines()
    options = next(line for line in lines if line.startswith("server ")).split(maxsplit=2)[2]
    addresses = [server.client.base_url.netloc.decode() for server in servers]
    (folder / "replicas.conf").write_text("\n".join(f"server {address} {options}" for address in addresses))
    (folder / "listen.conf").write_text(f"listen 127.0.0.1:{port};")
    command = [NGINX, "-p", f"{folder}/", "-c", str(folder / "nginx.conf"), "-g", "daemon off;"]
    with (folder / "errors.txt").open("w") as errors:
        process = subprocess.Popen(command, stderr=errors)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: _answers(address) or process.poll() is not None, 30)
        assert process.poll() is None, (folder / "errors.txt").read_text()
        yield address
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait(30)


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/healthz").status_code == 200
    except httpx.TransportError:
        return False


def drawn(address: str) -> bytes:
    """An image as the client gets it."""
    answer = httpx.post(f"{address}/v1/images", json=ASK, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.content


def answered(server: Serving) -> float:
    return server.metric("wgan_requests_total")


def test_both_replicas_take_part_and_a_seed_gives_the_same_bytes_from_either(replicas: Replicas) -> None:
    before = [answered(server) for server in replicas.processes]
    own = {drawn(str(server.client.base_url)) for server in replicas.processes}
    through = {drawn(replicas.proxy) for _ in range(8)}
    assert len(own | through) == 1
    assert all(answered(server) > then + 1 for server, then in zip(replicas.processes, before, strict=True))


def test_a_promotion_under_load_reaches_both_replicas_and_no_request_fails(replicas: Replicas) -> None:
    with load(replicas.proxy, replicas.images) as clients:
        wait_for(lambda: len(clients.seconds) > 20)
        replicas.promote("2")
        for server in replicas.processes:
            server.wait_for_version(2)
        then = clients.versions["2"]
        wait_for(lambda: clients.versions["2"] > then + 20)
    assert clients.wrong == []
    assert set(clients.versions) == {"1", "2"}


def test_requests_go_to_the_other_replica_while_one_is_stopped(replicas: Replicas) -> None:
    version = replicas.processes[0].version()
    with load(replicas.proxy, replicas.images) as clients:
        wait_for(lambda: len(clients.seconds) > 10)
        replicas.processes[1].process.send_signal(signal.SIGTERM)
        assert replicas.processes[1].process.wait(60) == 0
        then = len(clients.seconds)
        wait_for(lambda: len(clients.seconds) > then + 10)
    assert clients.wrong == []
    assert set(clients.versions) == {version}
