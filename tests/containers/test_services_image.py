"""The image `services`, built and started, is as docs/containers.md describes it."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.containers.engine import BUILD_SECRET, CONFINED, inside, run

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(1800)]


def test_it_runs_as_a_numeric_user_that_is_not_root(services_image: str) -> None:
    assert inside(services_image, "id", "-u").stdout.strip() == "10001"
    assert inside(services_image, "id", "-g").stdout.strip() == "10001"


def test_only_its_volume_and_tmp_can_be_written(services_image: str) -> None:
    code = "touch /var/lib/wgan/x /tmp/x && ! touch /opt/wgan/x && ! touch /etc/x && ! touch /usr/local/bin/x"
    assert inside(services_image, "sh", "-c", code).returncode == 0


def test_its_three_programs_start_and_its_packages_are_compatible(services_image: str) -> None:
    assert inside(services_image, "wgan", "--version").stdout.startswith("wgan ")
    assert inside(services_image, "prefect", "--version").stdout.strip()
    assert inside(services_image, "mlflow", "--version").stdout.strip()
    inside(services_image, "python", "-c", "import flask_wtf, prefect_redis.messaging, psycopg")
    checked = inside(
        services_image, "/usr/bin/python3", "-m", "pip", "--python", "/opt/wgan/bin/python", "check", check=False
    )
    assert checked.returncode == 0, checked.stdout


def test_there_is_no_torch_no_compiler_and_no_cache(services_image: str) -> None:
    assert "No module named 'torch'" in inside(services_image, "python", "-c", "import torch", check=False).stderr
    works = "import flows.housekeeping, wgan.prefect_server.operations, wgan.steps.roll_back"
    inside(services_image, "python", "-c", works)
    for program in ("gcc", "cc", "g++", "make", "ld"):
        assert inside(services_image, "sh", "-c", f"command -v {program}", check=False).returncode != 0
    caches = inside(services_image, "sh", "-c", "ls -A /root/.cache /var/lib/wgan 2>/dev/null | grep -v :", check=False)
    assert caches.stdout.strip() == ""
    assert inside(services_image, "sh", "-c", "test ! -e /opt/wgan/bin/pip && test ! -e /source && test ! -e /wheels")


def test_it_declares_its_labels_and_its_stop_signal(services_image: str) -> None:
    (found,) = json.loads(run("podman", "image", "inspect", services_image).stdout)
    assert found["Config"]["User"] == "10001:10001"
    assert found["Config"]["StopSignal"] == "SIGTERM"
    assert found["Config"]["Entrypoint"] == ["start"]
    assert found["Labels"]["org.opencontainers.image.title"] == "wgan-pipeline"
    assert found["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_pips_secret_configuration_is_in_no_layer(services_image: str) -> None:
    history = run("podman", "history", "--no-trunc", "--format", "{{.CreatedBy}}", services_image).stdout
    assert "cert =" not in history
    assert "BEGIN CERTIFICATE" not in history
    found = inside(services_image, "sh", "-c", "ls -A /run/secrets; ls /etc/pip.conf /etc/xdg/pip", check=False)
    assert found.stdout.strip() == ""


def test_no_layer_holds_the_secret_or_a_file_of_settings(services_image: str, tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    run("podman", "save", "--output", archive, services_image)
    layers = 0
    with tarfile.open(archive) as image:
        for member in image.getmembers():
            content = image.extractfile(member) if member.isfile() else None
            if content is None:
                continue
            data = content.read()
            assert BUILD_SECRET.encode() not in data, member.name
            if data[257:262] == b"ustar":
                layers += 1
                with tarfile.open(fileobj=io.BytesIO(data)) as layer:
                    assert not [name for name in layer.getnames() if name.rsplit("/", 1)[-1] == ".env"]
    archive.unlink()
    assert layers >= 2, "the layers were not read"


def test_every_file_of_this_pipeline_has_the_same_time(services_image: str) -> None:
    code = "find /opt/wgan ! -newermt @0 -o -print | grep -v '^/opt/wgan$' | head"
    assert inside(services_image, "sh", "-c", code).stdout == ""


def test_a_container_waits_for_what_it_needs_and_reports_when_it_gives_up(services_image: str) -> None:
    options = ("--env", "WAIT_FOR=tcp://127.0.0.1:9", "--env", "WAIT_SECONDS=1")
    done = run("podman", "run", "--rm", *CONFINED, *options, services_image, "wgan", "--version", check=False)
    assert done.returncode == 1
    assert "Given up after 1 s: 127.0.0.1:9 takes no connection (Connection refused)." in done.stderr
