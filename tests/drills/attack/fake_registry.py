"""A fake registry with the MLflow routes that serving reads; a test decides its answers."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import mkdtemp
from urllib.parse import parse_qs, urlsplit

import numpy as np

from tests.unit.serving.example_service import MODEL, write_files

FILES = "/api/2.0/mlflow-artifacts/artifacts/"


@dataclass
class FakeRegistry:
    """Versions in folders; `answer` replaces the answer about an alias."""

    folder: Path
    aliases: dict[str, int] = field(default_factory=dict)
    answer: Callable[[BaseHTTPRequestHandler], None] | None = None
    block_seconds: dict[int, float] = field(default_factory=dict)
    """Pause after each 16 KiB of a version's graph."""
    asked: int = 0
    url: str = ""

    def add(self, version: int, seed: int, graph: bytes | None = None, grey: bool = False) -> None:
        """Register a version; `graph`: with that instead of a generator's, and its digest in the record.

        `grey`: with a sample that is all 0.
        """
        files = exported_files(seed)
        target = self.folder / f"v{version}"
        (target / "extra_files").mkdir(parents=True)
        record = files.joinpath("record.json").read_text()
        good = files.joinpath("generator.onnx").read_bytes()
        if graph is not None:
            record = record.replace(sha256(good).hexdigest(), sha256(graph).hexdigest())
        target.joinpath("model.onnx").write_bytes(good if graph is None else graph)
        target.joinpath("extra_files/record.json").write_text(record)
        for name in ("config.json", "sample.npy"):
            shutil.copy(files / name, target / "extra_files" / name)
        if grey:
            sample = np.load(files / "sample.npy", allow_pickle=False)
            np.save(target / "extra_files/sample.npy", np.zeros_like(sample), allow_pickle=False)

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        """One GET."""
        address = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        if address.path.endswith("/registered-models/alias"):
            self.asked += 1
            if self.answer is not None:
                self.answer(request)
            elif query["alias"] in self.aliases:
                send(request, 200, json.dumps({"model_version": entry(self.aliases[query["alias"]])}).encode())
            else:
                send(request, 404, b'{"error_code": "INVALID_PARAMETER_VALUE"}')
        elif address.path.endswith("/registered-models/get"):
            send(request, 200, json.dumps({"registered_model": {"name": MODEL}}).encode())
        elif address.path.endswith("/get-download-uri"):
            send(request, 200, json.dumps({"artifact_uri": f"mlflow-artifacts:/v{query['version']}"}).encode())
        else:
            self._send_file(request, address.path.removeprefix(FILES))

    def _send_file(self, request: BaseHTTPRequestHandler, name: str) -> None:
        content = (self.folder / name).read_bytes()
        pause = self.block_seconds.get(int(name.split("/")[0][1:]), 0.0)
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        for start in range(0, len(content), 2**14):
            request.wfile.write(content[start : start + 2**14])
            time.sleep(pause)


@cache
def exported_files(seed: int) -> Path:
    """The files of a version, exported once."""
    return write_files(Path(mkdtemp(prefix="wgan-tests-export-")), seed)


def entry(version: int) -> dict[str, object]:
    """A model version in MLflow's form."""
    return {
        "name": MODEL,
        "version": str(version),
        "source": f"models:/m-{version}",
        "creation_timestamp": 1_700_000_000_000,
        "tags": [],
    }


def send(request: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
    """A whole answer."""
    request.send_response(status)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


@contextmanager
def fake_registry(folder: Path) -> Iterator[FakeRegistry]:
    """A running one, on a loopback port."""
    registry = FakeRegistry(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(OSError):
                registry.handle(self)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    registry.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
