"""podman for the tests: separate settings, and images built here from Debian's and PyPI's packages."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import free_ports
from tests.containers.composed import MODEL, Composed, new_project, podman_compose
from tests.containers.engine import BUILD_SECRET, CHECKOUT, build, run, wait_for
from wgan.commands.init_env import write_env_file

FOLDER = Path(__file__).parent
PROGRAMS = ("podman", "buildah", "runc", "debootstrap", "iptables")
CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=8000:8000"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
BASE = "localhost/wgan-test-base:12-slim"
PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"
NOT_IN_SLIM_IMAGES = ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/info", "usr/share/locale")
DATABASES = "localhost/wgan-test-databases"
SERVICES = "localhost/wgan-test-services"
SERVING = "localhost/wgan-test-serving"


@pytest.fixture(scope="session", autouse=True)
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """podman with the tests' own settings. Without it: a skip; in CI a failure."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        reason = f"not installed: {', '.join(missing)}" if missing else "debootstrap needs root"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    conf = tmp_path_factory.mktemp("containers") / "containers.conf"
    conf.write_text(CONTAINERS_CONF)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTAINERS_CONF", str(conf))
        yield


@pytest.fixture(scope="session")
def base_image(podman: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Debian's Python, as slim as the public image; made once, and kept among podman's images."""
    if run("podman", "image", "exists", BASE, check=False).returncode == 0:
        return BASE
    folder = tmp_path_factory.mktemp("base")
    root, archive = folder / "root", folder / "root.tar"
    run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", root, timeout=1200)
    for name in NOT_IN_SLIM_IMAGES:
        shutil.rmtree(root / name)
    documents = (root / "usr/share/doc", root / "usr/share/man")  # packages expect the folders of man
    run("find", *documents, "!", "-type", "d", "!", "-name", "copyright", "-delete")
    run("tar", "-C", root, "-cf", archive, ".")
    run("podman", "import", archive, BASE)
    shutil.rmtree(root)
    archive.unlink()
    return BASE


@pytest.fixture(scope="session")
def databases_image(base_image: str) -> str:
    """Debian's Postgres and Redis."""
    build(FOLDER / "databases.containerfile", FOLDER, "--layers", "--tag", DATABASES)
    return DATABASES


@pytest.fixture(scope="session")
def services_image(base_image: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The target `services`."""
    build_target("services", SERVICES, tmp_path_factory.mktemp("services"))
    return SERVICES


@pytest.fixture(scope="session")
def serving_image(base_image: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The target `serving`."""
    build_target("serving", SERVING, tmp_path_factory.mktemp("serving"))
    return SERVING


@pytest.fixture(scope="session")
def compose_command() -> None:
    """podman-compose. Without it: a skip; in CI a failure."""
    if not podman_compose():
        reason = "podman-compose is not installed: pip install podman-compose"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def project(
    compose_command: None,
    databases_image: str,
    services_image: str,
    serving_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Composed]:
    """All services of compose.yaml, starting."""
    env_file = tmp_path_factory.mktemp("compose") / ".env"
    write_env_file(env_file)
    project = new_project(
        f"wgantest{uuid.uuid4().hex[:8]}", env_file, services_image, serving_image, free_ports(4), MODEL
    )
    try:
        # podman 4 cannot start what requires a finished container that itself required one; every service waits anyway
        project.compose("up", "--detach", "--no-deps", timeout=300)
        yield project
    finally:
        project.remove()


@pytest.fixture
def running(project: Composed) -> Composed:
    """All services of compose.yaml, running, whatever the test before stopped."""
    try:
        wait_for(
            lambda: (
                project.inside("worker", "healthy", "prefect", "mlflow", "bucket", check=False).returncode == 0
                and _answers(f"{project.url('serve')}/healthz")
            ),
            300,
            "worker and serving being up",
        )
    except AssertionError:
        print(project.states())
        raise
    return project


def build_target(target: str, tag: str, folder: Path, *options: str) -> None:
    """Build a target of this checkout; `folder` holds pip's secret configuration."""
    secrets: list[str] = []
    certificates = Path(os.environ.get("PIP_CERT", "/etc/ssl/certs/ca-certificates.crt"))
    if certificates.is_file():  # so that pip reaches its index as on this machine
        (folder / "pip.conf").write_text(f"# {BUILD_SECRET}\n[global]\ncert = /run/secrets/ca\ntimeout = 180\n")
        secrets = ["--secret", f"id=pip,src={folder / 'pip.conf'}", "--secret", f"id=ca,src={certificates}"]
    build(
        CHECKOUT / "infra/Containerfile",
        CHECKOUT,
        *("--ignorefile", CHECKOUT / ".containerignore", "--layers", "--timestamp", "0", "--target", target),
        *("--build-arg", f"BASE_IMAGE={BASE}", *secrets, *options, "--tag", tag),
    )


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False
