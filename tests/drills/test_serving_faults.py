"""Faults of a new version or of its sources: the old version is still served."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tests.conftest import idle_settings
from tests.drills.relay import Relay
from tests.drills.serving_load import COUNTS, SEED, Load, load
from tests.integration.serving_process import Serving, client_of, register_exported, serving
from tests.integration.stack_commands import wait_for
from tests.unit.registry.examples import example_generator
from wgan.model_version.inference import open_generator
from wgan.settings import Settings
from wgan.stack.credentials import connected, ensure_credentials
from wgan.stack.processes import RunningServer, is_healthy, launch, stop
from wgan.stack.servers import mlflow_server, s3_server
from wgan.steps.export import write_export
from wgan.storage import Storage, open_storage

CANDIDATES = 10
ANSWERS = 10
"""Correct answers of the old version that must follow each fault after it was detected."""
CACHE_BYTES = 2**24
ALIASES = ("champion", "challenger")
STALE = 'wgan_stale{alias="champion",model='
"""The beginning of the metric's line."""


@dataclass
class Drill:
    """A server under load, whose registry and disk the tests break."""

    model: str
    settings: Settings
    server: Serving
    load: Load
    relay: Relay
    servers: dict[str, RunningServer]
    storage: Storage
    cache: Path
    full_disk: str | None
    """Why the cache folder is not on a separate disk that can be filled; None: it is."""
    candidates: Iterator[int]

    def promote(self, version: int) -> None:
        client_of(self.settings).set_registered_model_alias(self.model, "champion", str(version))

    def key(self, version: int, file: str) -> str:
        where = client_of(self.settings).get_model_version_download_uri(self.model, str(version))
        return f"{self.settings.mlflow_prefix}/{where.removeprefix('mlflow-artifacts:/')}/{file}"

    @contextmanager
    def replaced(self, version: int, graph: Callable[[bytes], bytes], registered: bool) -> Iterator[None]:
        """Another ONNX graph in the store, until the block ends; `registered`: with its digest in the record."""
        onnx_key, record_key = self.key(version, "model.onnx"), self.key(version, "extra_files/record.json")
        good, record = self.storage.get_bytes(onnx_key), self.storage.get_bytes(record_key)
        bad = graph(good)
        self.storage.put_bytes(onnx_key, bad)
        if registered:
            self.storage.put_bytes(record_key, record.replace(digest(good), digest(bad)))
        try:
            yield
        finally:
            self.storage.put_bytes(record_key, record)
            self.storage.put_bytes(onnx_key, good)

    def refuses(self, version: int, reason: str) -> None:
        """Promote a version that cannot be served: it is counted and logged, and the old version keeps drawing."""
        old, failed = self.server.version(), self.server.metric("wgan_failed_reloads_total")
        self.promote(version)
        wait_for(lambda: self.server.metric("wgan_failed_reloads_total") > failed, 30)
        self.draws_on(old, reason)
        assert self.server.ready()["aliases"]["champion"]["wanted"] == version  # type: ignore[index]
        logged = [event for event in self.server.events() if event["event"] == "load failed"]
        assert (logged[-1]["version"], reason in str(logged[-1]["reason"])) == (version, True)

    def draws_on(self, old: str, reason: str) -> None:
        """The old version answers, ready, with the reason shown."""
        answers = self.load.versions[old]
        # Beside the load, a poll may break off too: then its own reason is shown until the next one.
        wait_for(lambda: reason in str(self.server.ready()["reason"]), 30)
        state = self.server.ready()
        assert (state["ready"], state["version"], self.server.metric(STALE)) == (True, int(old), 1)
        wait_for(lambda: self.load.versions[old] >= answers + ANSWERS, 30)
        assert self.server.client.get("/readyz").status_code == 200

    def recovers(self, version: int) -> None:
        """The version is finally served without intervention, and nothing is stale."""
        self.server.wait_for_version(version)
        wait_for(lambda: self.server.ready()["reason"] is None, 10)
        assert self.server.metric(STALE) == 0


def digest(data: bytes) -> bytes:
    """SHA-256, as the record has it."""
    return sha256(data).hexdigest().encode()


@pytest.fixture(scope="module")
def registry(
    stack: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Settings, dict[str, RunningServer]]]:
    """Separate S3 and MLflow servers that a test may break, by name; and their settings."""
    with idle_settings(stack, tmp_path_factory.mktemp("drill") / "home") as planned:
        credentials = ensure_credentials(planned.home)
        made = [make(planned, credentials) for make in (s3_server, mlflow_server)]
        servers = {server.name: launch(server, planned.home) for server in made}
        try:
            for running in servers.values():
                wait_for(lambda running=running: is_healthy(running.server), 90)  # type: ignore[misc]
            settings = connected(planned, credentials)
            open_storage(settings).ensure_bucket()
            yield settings, servers
        finally:
            for running in servers.values():
                stop(running)


@contextmanager
def own_disk(folder: Path) -> Iterator[str | None]:
    """A small separate disk in the folder; yields why that is impossible, or None."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={CACHE_BYTES}", "tmpfs", str(folder)]
    try:
        refused = subprocess.run(command, capture_output=True, text=True).stderr.strip()
    except OSError as error:
        refused = str(error)
    try:
        yield refused or None
    finally:
        if not refused:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="module")
def drill(
    registry: tuple[Settings, dict[str, RunningServer]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Drill]:
    settings, servers = registry
    folder = tmp_path_factory.mktemp("serving")
    name = f"faults-{uuid.uuid4().hex[:8]}"
    exports = [write_export(example_generator(seed), folder / f"export-{seed}") for seed in (1, 2)]
    versions = [register_exported(settings, exports[number % 2], name).version for number in range(CANDIDATES + 1)]
    drawn = [open_generator(exported.onnx).generate(SEED, max(COUNTS), batch_size=1) for exported in exports]
    images = {str(version): drawn[number % 2] for number, version in enumerate(versions)}
    client_of(settings).set_registered_model_alias(f"generator-{name}", "champion", str(versions[0]))
    relay = Relay(settings.mlflow_port)
    variables = {
        "WGAN_MLFLOW_TRACKING_URI": f"http://127.0.0.1:{relay.port}",
        "WGAN_SERVE_POLL_SECONDS": "0.2",
        "WGAN_SERVE_THREADS": "1",
    }
    with (
        own_disk(folder / "cache") as full_disk,
        serving(settings, f"generator-{name}", folder, **variables) as server,
    ):
        server.wait_ready()
        with load(str(server.client.base_url), images, clients=1, pause=0.02) as clients:
            yield Drill(
                f"generator-{name}",
                settings,
                server,
                clients,
                relay,
                servers,
                open_storage(settings),
                folder / "cache",
                full_disk,
                iter(versions[1:]),
            )
        assert clients.wrong == []


@pytest.fixture(autouse=True)
def nothing_wrong_is_answered(drill: Drill) -> Iterator[None]:
    """Under every fault, each answer is 200 with exactly its version's images; the next test finds the relay whole."""
    yield
    drill.relay.cut_after, drill.relay.pause = None, 0.0
    drill.relay.bring_back()
    drill.relay.break_connections()
    assert drill.load.wrong == []


def test_a_corrupt_graph(drill: Drill) -> None:
    version = next(drill.candidates)
    with drill.replaced(version, lambda good: good[: len(good) // 2], registered=True):
        drill.refuses(version, "does not load in ONNX Runtime")
    drill.recovers(version)


def test_a_graph_with_another_digest(drill: Drill) -> None:
    version = next(drill.candidates)
    with drill.replaced(version, lambda good: good[:-1] + bytes([good[-1] ^ 1]), registered=False):
        drill.refuses(version, "is damaged: its SHA-256 is")
    drill.recovers(version)


def test_a_model_that_loads_but_draws_nan(drill: Drill) -> None:
    def poisoned(good: bytes) -> bytes:
        model = onnx.load_from_string(good)
        weights = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
        values = np.full_like(numpy_helper.to_array(weights), np.nan)
        weights.CopyFrom(numpy_helper.from_array(values, weights.name))
        return model.SerializeToString()

    version = next(drill.candidates)
    with drill.replaced(version, poisoned, registered=True):
        drill.refuses(version, "not finite numbers")
    drill.recovers(version)


def test_a_model_with_the_wrong_channel_count(drill: Drill, tmp_path: Path) -> None:
    coloured = write_export(example_generator(3, channels=3), tmp_path / "coloured").onnx.read_bytes()
    version = next(drill.candidates)
    with drill.replaced(version, lambda good: coloured, registered=True):
        drill.refuses(version, "draws images (3, 32, 32) (C, H, W), its data set has (1, 32, 32)")
    drill.recovers(version)


def test_an_interrupted_download(drill: Drill) -> None:
    version = next(drill.candidates)
    size = len(drill.storage.get_bytes(drill.key(version, "model.onnx")))
    drill.relay.cut_after = size // 2
    drill.relay.break_connections()
    drill.refuses(version, "broke off")
    drill.relay.cut_after = None
    drill.relay.break_connections()
    drill.recovers(version)


def test_a_registry_that_is_down(drill: Drill) -> None:
    old, version = drill.server.version(), next(drill.candidates)
    failed = drill.server.metric("wgan_failed_polls_total")
    drill.relay.take_away()
    wait_for(lambda: drill.server.metric("wgan_failed_polls_total") >= failed + len(ALIASES), 30)
    drill.promote(version)
    drill.draws_on(old, "does not answer")
    assert any(event["event"] == "the registry does not answer" for event in drill.server.events())
    drill.relay.bring_back()
    drill.recovers(version)


def test_an_object_store_that_is_down(drill: Drill) -> None:
    version = next(drill.candidates)
    server = drill.servers["s3"].server
    stop(drill.servers["s3"])
    try:
        drill.refuses(version, "so the object store behind it may be down")
    finally:
        drill.servers["s3"] = launch(server, drill.settings.home)
    drill.recovers(version)


def test_a_cache_folder_on_a_full_disk(drill: Drill) -> None:
    if drill.full_disk:
        pytest.skip(f"no small disk can be mounted: {drill.full_disk}")
    version = next(drill.candidates)
    filler = drill.cache / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(drill.cache).free))
    drill.refuses(version, "free some space, or set WGAN_CACHE_DIR")
    filler.unlink()
    drill.recovers(version)


def test_a_champion_does_not_wait_for_a_slow_challenger(drill: Drill) -> None:
    challenger, version = next(drill.candidates), next(drill.candidates)
    registry, failed = client_of(drill.settings), drill.server.metric("wgan_failed_reloads_total")
    with drill.replaced(challenger, lambda good: good + bytes(2**23), registered=False):
        drill.relay.pause = 0.02  # the challenger takes half a minute
        drill.relay.break_connections()
        registry.set_registered_model_alias(drill.model, "challenger", str(challenger))
        wait_for(lambda: drill.server.ready()["aliases"]["challenger"]["wanted"] == challenger, 30)  # type: ignore[index]
        drill.promote(version)
        drill.server.wait_for_version(version)
        assert drill.server.metric("wgan_failed_reloads_total") == failed
    drill.relay.pause = 0.0
    drill.relay.break_connections()
    wait_for(lambda: drill.server.ready()["aliases"]["challenger"]["serving"] == challenger, 30)  # type: ignore[index]
