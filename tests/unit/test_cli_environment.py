"""The environment that commands and servers run in."""

from __future__ import annotations

from pathlib import Path

import pytest

from wgan.settings import Settings
from wgan.stack import client_environment
from wgan.stack.environment import TELEMETRY_OFF, server_environment

EXTERNAL = {
    "s3_endpoint_url": "https://s3.example.org",
    "mlflow_tracking_uri": "https://mlflow.example.org",
    "prefect_api_url": "https://prefect.example.org/api",
}


def test_clients_use_the_configured_servers_with_telemetry_off(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, s3_access_key_id="key", s3_secret_access_key="secret", **EXTERNAL)
    given = client_environment(settings)
    assert given.items() >= TELEMETRY_OFF.items()
    assert given["PREFECT_API_URL"] == "https://prefect.example.org/api"
    assert given["MLFLOW_TRACKING_URI"] == given["MLFLOW_REGISTRY_URI"] == "https://mlflow.example.org"
    assert given["AWS_ENDPOINT_URL_S3"] == given["MLFLOW_S3_ENDPOINT_URL"] == "https://s3.example.org"
    assert (given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"]) == ("key", "secret")
    assert given["PREFECT_HOME"] == str(tmp_path / "prefect")


def test_results_persist_as_json(tmp_path: Path) -> None:
    given = client_environment(Settings(home=tmp_path))
    assert given["PREFECT_RESULTS_PERSIST_BY_DEFAULT"] == "true"
    assert given["PREFECT_RESULTS_DEFAULT_SERIALIZER"] == "json"


def test_without_credentials_boto3_looks_for_its_own(tmp_path: Path) -> None:
    assert "AWS_ACCESS_KEY_ID" not in client_environment(Settings(home=tmp_path))


def test_requests_to_this_machine_bypass_a_proxy_and_others_use_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "intranet.example.org")
    embedded = client_environment(Settings(home=tmp_path))
    assert embedded["NO_PROXY"] == embedded["no_proxy"] == "intranet.example.org,127.0.0.1,localhost,::1"
    assert "NO_PROXY" not in client_environment(Settings(home=tmp_path, **EXTERNAL))


def test_servers_inherit_no_harmful_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "AWS_PROFILE",
        "MLFLOW_TRACKING_URI",
        "PREFECT_API_KEY",
        "PREFECT_PROFILE",
        "UVICORN_HOST",
        "WGAN_BUCKET",
    ):
        monkeypatch.setenv(name, "the-users-own")
    monkeypatch.setenv("LANG", "C.UTF-8")
    given = server_environment(tmp_path, {"OWN": "1"})
    assert "the-users-own" not in given.values()
    assert (given["LANG"], given["OWN"]) == ("C.UTF-8", "1")
    assert given.items() >= TELEMETRY_OFF.items()


def test_torchs_threads_spin_briefly_unless_configured_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    assert client_environment(Settings(home=tmp_path))["GOMP_SPINCOUNT"] == "10000"
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    assert client_environment(Settings(home=tmp_path))["GOMP_SPINCOUNT"] == "7"
