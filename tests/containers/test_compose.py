"""compose.yaml for real: no start without secrets, credentials for every service, a retraining that ends in serving."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import httpx
import pytest
import yaml
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.conftest import free_ports
from tests.containers.composed import MODEL, Composed, new_project
from tests.containers.engine import run, wait_for
from tests.integration.command_line import quick
from wgan.commands.init_env import write_env_file

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = [
    pytest.mark.containers,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the image's Python is 3.11"),
]


def test_nothing_starts_without_secrets_and_the_message_says_what_to_do(
    compose_command: None, services_image: str, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("")
    bare = new_project("wgantestbare", tmp_path / ".env", services_image, "none", free_ports(4), MODEL)
    done = bare.compose("up", "--detach", check=False)
    assert done.returncode != 0
    assert "run wgan init-env first" in done.stderr
    assert "wgantestbare" not in run("podman", "ps", "--all", "--format", "{{.Names}}").stdout


@pytest.mark.parametrize(
    ("profile", "services"),
    [
        ("observability", {"prometheus", "grafana"}),
        ("gpu", {"worker-gpu"}),
        ("ray", {"ray-head", "ray-worker", "ray-worker-2"}),
        ("replicas", {"serving-2", "proxy"}),
    ],
)
def test_a_profile_adds_its_services(compose_command: None, profile: str, services: set[str], tmp_path: Path) -> None:
    write_env_file(tmp_path / ".env")
    project = new_project("wgantestprofile", tmp_path / ".env", "none", "none", free_ports(4), MODEL)
    without = yaml.safe_load(project.compose("config").stdout)["services"]
    added = yaml.safe_load(project.compose("--profile", profile, "config").stdout)["services"].keys() - without
    assert added == services


def test_prefect_mlflow_and_s3_require_credentials(running: Composed) -> None:
    flows = f"{running.url('prefect')}/api/flows/count"
    assert httpx.post(flows, json={}).status_code == 401
    assert httpx.post(flows, json={}, auth=_pair(running.secrets["PREFECT_AUTH_STRING"])).status_code == 200
    experiments = f"{running.url('mlflow')}/api/2.0/mlflow/experiments/search?max_results=1"
    assert httpx.get(experiments).status_code == 401
    assert httpx.get(experiments, auth=("serving", "guessed-it-12")).status_code == 401
    assert httpx.get(experiments, auth=("serving", running.secrets["MLFLOW_SERVING_PASSWORD"])).status_code == 200
    assert httpx.get(f"{running.url('s3')}/wgan").status_code == 403


def test_a_retraining_on_the_worker_is_registered_promoted_and_served(running: Composed) -> None:
    # The names of a network that has just come up may be unknown for a moment.
    lookup = ("python", "-c", "import socket; socket.getaddrinfo('prefect', 4200)")
    wait_for(lambda: running.inside("worker", *lookup, check=False).returncode == 0, 60, "a lookup of a name")
    running.inside("worker", "wgan", "schedule", "add", "--name", "tiny", "--cron", "0 0 1 1 *", *quick("tiny"))
    assert "tiny" in running.inside("worker", "wgan", "schedule", "list").stdout
    running.inside("worker", "wgan", "schedule", "run", "tiny")

    def served() -> bool:
        answer = httpx.get(f"{running.url('serve')}/readyz")
        return bool(answer.json()["ready"])

    wait_for(served, 400, f"serving a version of {MODEL}")
    picture = httpx.post(f"{running.url('serve')}/v1/images", json={"count": 4, "seed": 1}, timeout=60)
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")
    assert picture.headers["x-wgan-version"] == "1"

    # permissions, now that there is something to access
    alias = f"{running.url('mlflow')}/api/2.0/mlflow/registered-models/alias"
    change = {"name": MODEL, "alias": "champion", "version": "1"}
    serving = ("serving", running.secrets["MLFLOW_SERVING_PASSWORD"])
    assert httpx.get(alias, params={"name": MODEL, "alias": "champion"}, auth=serving).status_code == 200
    assert httpx.post(alias, json=change, auth=serving).status_code == 403
    pipeline = ("pipeline", running.secrets["MLFLOW_PIPELINE_PASSWORD"])
    assert httpx.post(alias, json=change, auth=pipeline).status_code == 200

    # and no secret is in the logs
    logs = ""
    for service in ("worker", "serving", "mlflow", "prefect", "prefect-services", "schedule-apply", "mlflow-users"):
        done = run("podman", "logs", running.container(service))
        logs += done.stdout + done.stderr
    told = [name for name, value in running.secrets.items() if value in logs]
    assert told == []


def test_neither_the_worker_nor_serving_reaches_a_database(running: Composed) -> None:
    for service in ("worker", "serving"):
        assert running.inside(service, "healthy", "tcp://postgres:5432", check=False).returncode == 1
        assert running.inside(service, "healthy", "tcp://redis:6379", check=False).returncode == 1
    assert running.inside("prefect", "healthy", "tcp://postgres:5432", "tcp://redis:6379").returncode == 0


def test_each_key_pair_reaches_its_own_part_of_the_bucket_and_makes_no_bucket(running: Composed) -> None:
    admin, pipeline, mlflow = (_s3(running, owner) for owner in ("ADMIN", "PIPELINE", "MLFLOW"))
    pipeline.put_object(Bucket="wgan", Key="datasets/mine", Body=b"pixels")
    mlflow.put_object(Bucket="wgan", Key="mlflow/mine", Body=b"a model")
    assert pipeline.get_object(Bucket="wgan", Key="mlflow/mine")["Body"].read() == b"a model"
    for refused in (
        lambda: mlflow.get_object(Bucket="wgan", Key="datasets/mine"),
        lambda: mlflow.put_object(Bucket="wgan", Key="datasets/mine", Body=b"others"),
        lambda: mlflow.delete_object(Bucket="wgan", Key="datasets/mine"),
        lambda: pipeline.create_bucket(Bucket="another"),
        lambda: admin.create_bucket(Bucket="another"),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            refused()
    assert pipeline.get_object(Bucket="wgan", Key="datasets/mine")["Body"].read() == b"pixels"
    for key in ("datasets/mine", "mlflow/mine"):
        pipeline.delete_object(Bucket="wgan", Key=key)


def test_a_database_role_cannot_use_another_ones_database(running: Composed) -> None:
    privilege = "has_database_privilege('{}', '{}', 'CONNECT')"
    asked = f"SELECT {privilege.format('mlflow', 'prefect')}, {privilege.format('prefect', 'mlflow')}"
    found = running.inside("postgres", "psql", "-h", "/var/run/postgresql", "-U", "postgres", "-Atc", asked)
    assert found.stdout.strip() == "f|f"


@pytest.mark.parametrize("service", ["worker", "serving", "mlflow", "prefect", "prefect-services"])
def test_every_service_of_this_pipeline_is_confined(running: Composed, service: str) -> None:
    (found,) = json.loads(run("podman", "inspect", running.container(service)).stdout)
    assert found["HostConfig"]["ReadonlyRootfs"] is True
    assert found["EffectiveCaps"] in ([], None)
    assert running.inside(service, "id", "-u").stdout.strip() == "10001"
    ports = [place["HostIp"] for places in found["HostConfig"]["PortBindings"].values() for place in places or []]
    assert set(ports) <= {"127.0.0.1"}


def _s3(running: Composed, owner: str) -> S3Client:
    """A client with the key pair of ADMIN, PIPELINE or MLFLOW."""
    return boto3.client(
        "s3",
        endpoint_url=running.url("s3"),
        aws_access_key_id=running.secrets[f"S3_{owner}_ACCESS_KEY_ID"],
        aws_secret_access_key=running.secrets[f"S3_{owner}_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )


def _pair(login: str) -> tuple[str, str]:
    user, _, word = login.partition(":")
    return user, word
