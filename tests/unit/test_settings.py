"""Where settings come from, and how impossible ones are reported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wgan.connection_file import CONNECTION_FILE
from wgan.errors import UsageError
from wgan.settings import load_settings

EMBEDDED = {
    "s3_endpoint_url": "http://127.0.0.1:9100",
    "s3_access_key_id": "embedded-id",
    "s3_secret_access_key": "embedded-secret",
    "mlflow_tracking_uri": "http://127.0.0.1:5100",
    "prefect_api_url": "http://127.0.0.1:4300/api",
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home of an embedded stack."""
    folder = tmp_path / ".wgan"
    folder.mkdir()
    (folder / CONNECTION_FILE).write_text(json.dumps(EMBEDDED))
    return folder


def secret_of(settings: object) -> str | None:
    secret = getattr(settings, "s3_secret_access_key", None)
    return secret.get_secret_value() if secret else None


def test_the_defaults_are_those_of_the_embedded_stack() -> None:
    settings = load_settings()
    assert settings.s3_endpoint_url == "http://127.0.0.1:9000"
    assert settings.mlflow_tracking_uri == "http://127.0.0.1:5000"
    assert settings.prefect_api_url == "http://127.0.0.1:4200/api"
    assert settings.s3_access_key_id is None


@pytest.mark.usefixtures("home")
def test_unset_values_come_from_the_embedded_stack() -> None:
    settings = load_settings()
    found = settings.model_dump(include=set(EMBEDDED) - {"s3_secret_access_key"})
    assert {**found, "s3_secret_access_key": secret_of(settings)} == EMBEDDED


@pytest.mark.usefixtures("home")
def test_arguments_override_the_environment_the_env_file_and_the_embedded_stack(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path(".env").write_text(
        "WGAN_MLFLOW_TRACKING_URI=http://file\nWGAN_PREFECT_API_URL=http://file/api\nWGAN_BUCKET=file\n"
    )
    monkeypatch.setenv("WGAN_MLFLOW_TRACKING_URI", "http://environment")
    monkeypatch.setenv("WGAN_BUCKET", "environment")
    settings = load_settings(bucket="argument")
    assert settings.bucket == "argument"
    assert settings.mlflow_tracking_uri == "http://environment"
    assert settings.prefect_api_url == "http://file/api"
    assert settings.s3_endpoint_url == EMBEDDED["s3_endpoint_url"]


@pytest.mark.usefixtures("home")
def test_the_embedded_stores_credentials_are_not_offered_to_another_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WGAN_S3_ENDPOINT_URL", "https://s3.eu-central-1.amazonaws.com")
    settings = load_settings()
    assert (settings.s3_access_key_id, secret_of(settings)) == (None, None)
    assert settings.mlflow_tracking_uri == EMBEDDED["mlflow_tracking_uri"]


@pytest.mark.usefixtures("home")
def test_the_embedded_store_named_explicitly_keeps_its_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WGAN_S3_ENDPOINT_URL", EMBEDDED["s3_endpoint_url"])
    assert secret_of(load_settings()) == "embedded-secret"


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WGAN_BUCKET", "")
    assert load_settings().bucket == "wgan"


def test_the_secret_is_not_in_a_printed_setting(home: Path) -> None:
    settings = load_settings(home=home)
    assert "embedded-secret" not in f"{settings} {settings!r} {settings.model_dump_json()}"


def test_a_tilde_is_the_users_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WGAN_HOME", "~/wgan")
    settings = load_settings()
    assert (settings.home, settings.cache) == (tmp_path / "wgan", tmp_path / "wgan" / "cache")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("WGAN_S3_PORT", "70000", "less than or equal to 65535"),
        ("WGAN_S3_PORT", "none", "valid integer"),
        ("WGAN_START_TIMEOUT", "0", "greater than 0"),
        ("WGAN_DEVICE", "tpu", "it must be auto, cpu, mps, cuda or cuda:N"),
        ("WGAN_BUCKET", "ab", "at least 3 characters"),
    ],
)
def test_an_impossible_value_is_named_with_its_variable_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError) as caught:
        load_settings()
    assert f"setting {name}={value!r}" in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize("variable", ["WGAN_HOME", "WGAN_CACHE_DIR", "WGAN_INCEPTION_WEIGHTS"])
def test_the_home_of_an_unknown_user_is_one_sentence(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "~nouser/x")
    with pytest.raises(UsageError, match=f"setting {variable}='~nouser/x': .*there is no such user with a home folder"):
        load_settings()


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"null", b"5", b'{"bucket": 5}', b'{"s3_endpoint_url": null}', b"\xff\xfe", b"[" * 100_000]
)
def test_a_foreign_connection_file_is_one_sentence(home: Path, content: bytes) -> None:
    (home / CONNECTION_FILE).write_bytes(content)
    with pytest.raises(UsageError, match=f"{CONNECTION_FILE} is damaged: delete it"):
        load_settings()


def test_a_damaged_connection_file_is_one_sentence(home: Path) -> None:
    (home / CONNECTION_FILE).write_text('{"s3_endpoint_url": ')
    with pytest.raises(UsageError, match=r"connection\.json is damaged: delete it"):
        load_settings()


def test_the_models_to_serve_are_separated_by_commas_and_none_means_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().models_to_serve == ()
    monkeypatch.setenv("WGAN_SERVE_MODELS", " generator-digits, generator-faces,")
    assert load_settings().models_to_serve == ("generator-digits", "generator-faces")
