"""No secret of the settings appears in logs, artifacts, parameters, task results or what the servers show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.command_line import quick
from tests.integration.stack_commands import prefect_login
from tests.integration.stack_commands import run as run_wgan
from tests.integration.worker_process import ask
from wgan.guard import basic_token
from wgan.settings import Settings, load_settings
from wgan.storage import Storage

pytestmark = pytest.mark.slow

PASSWORD = "mlflow-pass-2718"
AUTH = "prefect:auth-1618"
HOOK = "http://127.0.0.1:9/hook?token=hook-1414"
KEY = "serving-key-1732"


@pytest.fixture(scope="module")
def secrets(stack: Settings) -> list[str]:
    """A retraining with a value in every secret setting; yields the values."""
    known = load_settings(home=stack.home)
    assert known.s3_secret_access_key is not None
    output = run_wgan(
        stack,
        *("retrain", *quick("secretive")),
        WGAN_MLFLOW_USERNAME="pipeline",
        WGAN_MLFLOW_PASSWORD=PASSWORD,
        WGAN_NOTIFY_URL=HOOK,
        WGAN_SERVING_API_KEY=KEY,
    )
    values = [known.s3_secret_access_key.get_secret_value(), PASSWORD, "hook-1414", KEY]
    assert not [value for value in values if value in output.stdout + output.stderr]
    login = ":".join(prefect_login(stack))  # this one is printed: in the link that signs a browser in
    return [*values, login, basic_token(login)]


def found(text: str, secrets: list[str]) -> list[str]:
    return [secret for secret in secrets if secret in text]


def test_not_in_the_logs_of_the_servers(stack: Settings, secrets: list[str]) -> None:
    logs = list((stack.home / "logs").glob("*.log*"))
    assert logs
    for log in logs:
        assert not found(log.read_text(errors="replace"), secrets), log


def test_not_in_any_object_of_the_bucket(stack: Settings, storage: Storage, secrets: list[str]) -> None:
    keys = [entry.key for entry in storage.list("") if not entry.key.endswith((".npy", ".pt", ".png", ".webp"))]
    assert any(key.startswith(stack.prefect_prefix) for key in keys)
    for key in keys:
        assert not found(storage.get_bytes(key).decode("latin-1"), secrets), key


def test_not_in_what_mlflow_and_prefect_show(stack: Settings, secrets: list[str]) -> None:
    assert not [text for text in _shown(stack) if found(text, secrets)]


def _shown(stack: Settings) -> Iterator[str]:
    mlflow = f"http://127.0.0.1:{stack.mlflow_port}/api/2.0/mlflow"
    experiments = httpx.get(f"{mlflow}/experiments/search?max_results=100").json()["experiments"]
    ids = [entry["experiment_id"] for entry in experiments]
    runs = httpx.post(f"{mlflow}/runs/search", json={"experiment_ids": ids, "max_results": 500}).text
    assert '"generator_steps"' in runs
    yield runs
    for route in ("flow_runs", "task_runs", "logs", "artifacts", "deployments", "variables", "automations"):
        answer = ask(stack, f"{route}/filter")
        yield json.dumps(answer)
    blocks = ask(stack, "block_documents/filter", include_secrets=True)
    assert "wgan-bucket" in json.dumps(blocks)
    yield json.dumps(blocks)
    assert ask(stack, "logs/filter")


def test_not_in_the_settings_when_they_are_printed() -> None:
    settings = Settings(_env_file=None, mlflow_password=PASSWORD, prefect_auth_string=AUTH, notify_url=HOOK)
    assert not found(f"{settings!r} {settings}", [PASSWORD, AUTH, HOOK])


def test_only_the_owner_can_read_the_files_that_hold_them(stack: Settings) -> None:
    for name in ("connection.json", "credentials.json"):
        assert (stack.home / name).stat().st_mode & 0o077 == 0
    assert stack.home.stat().st_mode & 0o077 == 0
    assert Path(stack.home / "logs" / "prefect.log").stat().st_mode & 0o077 == 0
