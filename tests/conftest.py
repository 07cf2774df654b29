"""Fixtures of every test: no settings of the developer's, one embedded stack per session, real data, a browser."""

from __future__ import annotations

import math
import os
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from wgan.settings import Settings
from wgan.stack import client_environment, start_stack, stop_stack, take_down
from wgan.stack.credentials import connected, ensure_credentials
from wgan.stack.environment import FOREIGN_PREFIXES
from wgan.stack.home import prepare_home
from wgan.stack.processes import port_obstacle
from wgan.storage import Storage, open_storage

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
TOGETHER = "tests/drills/behind_relays/"
"""These run in one process, so that their stack and the undisturbed run are created once."""
DATABASES = ("mlflow.db", "prefect.db")
_PLANNED = pytest.StashKey[Settings]()
_GIVEN_OUT: set[int] = set()


def free_ports(count: int) -> list[int]:
    """Free loopback ports, from below the range that the system hands out for outgoing connections.

    The processes of a test run draw from different ones, and none draws a port twice: one that was given out may stay
    free for minutes, until its server starts.
    """
    first = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    own = range(20_000 + first, 30_000, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
    found: list[int] = []
    for port in random.SystemRandom().sample(own, len(own)):
        if len(found) == count:
            return found
        if port not in _GIVEN_OUT and port_obstacle(port) is None:
            found.append(port)
            _GIVEN_OUT.add(port)
    return found


def new_settings(home: Path) -> Settings:
    """Settings of a stack that is not running yet, in the folder, on free ports."""
    s3_port, mlflow_port, prefect_port, serve_port = free_ports(4)
    return Settings(
        _env_file=None,
        home=home,
        s3_port=s3_port,
        mlflow_port=mlflow_port,
        prefect_port=prefect_port,
        serve_port=serve_port,
        serve_models="generator-digits",  # and not what other tests of the session promote
        start_timeout=600,  # other tests start servers at the same time
    )


def pytest_configure(config: pytest.Config) -> None:
    """Before any test is imported: forget the developer's settings, point Prefect and MLflow at the session's stack.

    Both read their environment when they are imported, so its addresses are chosen here; it starts when the first
    test asks for it.
    """
    for name in [name for name in os.environ if name.startswith(FOREIGN_PREFIXES)]:
        del os.environ[name]
    # One thread per process: more threads in parallel processes only wait for each other.
    os.environ["OMP_NUM_THREADS"] = "1"
    # Despite its name, on every system: Ray, which reads it when it is imported, listens on loopback only.
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    home = Path(tempfile.mkdtemp(prefix="wgan-tests-"))
    prepare_home(home)
    planned = new_settings(home)
    config.stash[_PLANNED] = planned
    os.environ.update(client_environment(connected(planned, ensure_credentials(home))))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the session's stack."""
    shutil.rmtree(config.stash[_PLANNED].home, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files come first, so that no process ends with one alone."""
    minutes: dict[Path, float] = {}
    for item in items:
        minutes[item.path] = max(minutes.get(item.path, 0.0), _minutes(item))
    items.sort(key=lambda item: -minutes[item.path])


def _minutes(item: pytest.Item) -> float:
    if TOGETHER in item.nodeid:
        return math.inf
    slow = item.get_closest_marker("slow")
    return float(slow.kwargs.get("minutes", 1)) if slow else 0.0


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """With several processes: each takes a file at a time, in the order of the collection."""
    from xdist.scheduler.loadfile import LoadFileScheduling

    class LoadFilesInOrder(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return TOGETHER if nodeid.startswith(TOGETHER) else super()._split_scope(nodeid)

    config.option.loadscopereorder = False
    return LoadFilesInOrder(config, log)


@pytest.fixture
def free_port() -> int:
    """A free loopback port."""
    return free_ports(1)[0]


@pytest.fixture(autouse=True)
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every test in an empty folder: no `.env`, no `.wgan`; and no `WGAN_` variable left by another test."""
    for name in [name for name in os.environ if name.startswith("WGAN_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def stack(pytestconfig: pytest.Config) -> Iterator[Settings]:
    """Settings of real servers, started once, stopped at the end; this process's environment points at them."""
    running = start_stack(pytestconfig.stash[_PLANNED])
    for name in DATABASES:
        _copy_database(running.home / name, running.home / "empty" / name)
    yield running.settings
    stop_stack(running)


@contextmanager
def idle_settings(stack: Settings, home: Path) -> Iterator[Settings]:
    """Settings of another stack, in a home of its own, which is not running; it is stopped afterwards.

    Its databases are there, empty, as after a first start: creating Prefect's alone takes several seconds.
    """
    settings = new_settings(home)
    prepare_home(home)
    for name in DATABASES:
        _copy_database(stack.home / "empty" / name, home / name)
    try:
        yield settings
    finally:
        take_down(settings)


@pytest.fixture
def idle_stack(stack: Settings, tmp_path: Path) -> Iterator[Settings]:
    """Settings of the test's own stack, which is not running."""
    with idle_settings(stack, tmp_path / "home") as settings:
        yield settings


def _copy_database(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy)
    target.chmod(0o600)


@pytest.fixture
def stack_home(stack: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make `load_settings()` and the commands find the session's stack; its home folder."""
    monkeypatch.setenv("WGAN_HOME", str(stack.home))
    return stack.home


@pytest.fixture(scope="session")
def storage(stack: Settings) -> Storage:
    """The session's bucket, in a real S3 server."""
    return open_storage(stack)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real data sets."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data sets are not in ../shared/data")
    return folder


@pytest.fixture(scope="session")
def served_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder of serving with version 1 as the last good champion; not to be changed."""
    from tests.unit.serving.example_service import write_version  # imports torch

    cache = tmp_path_factory.mktemp("served")
    write_version(cache, 1, 1)
    return cache


@pytest.fixture
def chromium_page() -> Iterator[Page]:
    """A page of Debian's Chromium. Without it: a skip; in CI, where `.ci/run` installs it, a failure."""
    executable = shutil.which("chromium")
    if executable is None:
        reason = "Chromium is not installed: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(CHROMIUM_OPTIONS))
        try:
            yield browser.new_page()
        finally:
            browser.close()
