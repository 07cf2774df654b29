"""A stack left running by `wgan up --detach`: what it offers and what it protects."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator

import httpx
import psutil
import pytest

from tests.conftest import idle_settings
from tests.integration.stack_commands import prefect_login, run, server_processes
from wgan.errors import StorageError
from wgan.settings import Settings, load_settings
from wgan.stack.credentials import ensure_credentials
from wgan.stack.environment import TELEMETRY_OFF
from wgan.stack.state import read_state
from wgan.storage import open_storage


@pytest.fixture(scope="module")
def detached(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """In a folder with an awkward name, with a proxy in the environment that would swallow every request."""
    with idle_settings(stack, tmp_path_factory.mktemp("detached") / "a home, 100% #1?") as settings:
        proxies = {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
        assert "The stack is up" in run(settings, "up", "--detach", **proxies).stdout
        yield settings


def test_status_names_every_server_and_prints_nothing_but_json(detached: Settings) -> None:
    finished = run(detached, "status", "--json")
    status = json.loads(finished.stdout)
    assert (status["up"], status["healthy"], finished.stderr) == (True, True, "")
    assert [(service["name"], service["url"], service["healthy"]) for service in status["services"]] == [
        ("s3", f"http://127.0.0.1:{detached.s3_port}", True),
        ("mlflow", f"http://127.0.0.1:{detached.mlflow_port}", True),
        ("prefect", f"http://127.0.0.1:{detached.prefect_port}", True),
        ("serving", f"http://127.0.0.1:{detached.serve_port}", True),
    ]
    for service in status["services"]:
        assert psutil.Process(service["pid"]).is_running()
        assert (detached.home / "logs" / f"{service['name']}.log").samefile(service["log"])


@pytest.mark.parametrize("arguments", [("up",), ("up", "--detach")])
def test_a_second_up_shows_the_addresses_and_changes_nothing(detached: Settings, arguments: tuple[str, ...]) -> None:
    before = read_state(detached.home)
    out = run(detached, *arguments).stdout
    assert "already up" in out
    assert f"http://127.0.0.1:{detached.prefect_port}" in out
    assert read_state(detached.home) == before


def test_a_setting_that_overrides_the_stack_is_pointed_out(detached: Settings) -> None:
    errors = run(detached, "up", WGAN_MLFLOW_TRACKING_URI="http://mlflow.example.org").stderr
    assert "WGAN_MLFLOW_TRACKING_URI is set to http://mlflow.example.org, so the commands use that server" in errors
    assert "WGAN_PREFECT_API_URL" not in errors


def test_settings_find_addresses_and_credentials_in_the_home(detached: Settings) -> None:
    found = load_settings(home=detached.home)
    assert found.prefect_api_url == f"http://127.0.0.1:{detached.prefect_port}/api"
    assert found.mlflow_tracking_uri == f"http://127.0.0.1:{detached.mlflow_port}"
    assert open_storage(found).put_bytes("key", b"value") == "s3://wgan/key"


def test_the_store_refuses_other_credentials(detached: Settings) -> None:
    found = load_settings(home=detached.home, s3_secret_access_key="guessed")
    with pytest.raises(StorageError, match="check WGAN_S3_ACCESS_KEY_ID"):
        open_storage(found).put_bytes("key", b"value")


def test_artifacts_logged_through_mlflow_are_in_the_bucket(detached: Settings) -> None:
    found = load_settings(home=detached.home)
    address = f"{found.mlflow_tracking_uri}/api/2.0/mlflow-artifacts/artifacts/some/file.txt"
    httpx.put(address, content=b"text", trust_env=False).raise_for_status()
    assert open_storage(found).get_bytes("mlflow/some/file.txt") == b"text"


def test_every_listener_is_on_loopback(detached: Settings) -> None:
    state = read_state(detached.home)
    assert state is not None
    supervisor = psutil.Process(state.supervisor_pid)
    listeners = [
        connection.laddr
        for process in (supervisor, *supervisor.children(recursive=True))
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert {address.ip for address in listeners} == {"127.0.0.1"}
    ports = {detached.s3_port, detached.mlflow_port, detached.prefect_port, detached.serve_port}
    assert {address.port for address in listeners} == ports


def test_every_file_is_readable_only_by_its_owner(detached: Settings) -> None:
    for path in (detached.home, *detached.home.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_no_secret_is_among_the_arguments_of_a_process(detached: Settings) -> None:
    known = ensure_credentials(detached.home)
    for process in server_processes(detached.home).values():
        arguments = " ".join(process.cmdline())
        assert known.secret_access_key not in arguments
        assert known.prefect_login.removeprefix("wgan:") not in arguments


def test_every_server_has_the_switches_that_turn_telemetry_off(detached: Settings) -> None:
    for name, process in server_processes(detached.home).items():
        given = process.environ()
        assert {switch: given.get(switch) for switch in TELEMETRY_OFF} == TELEMETRY_OFF, name


def test_the_servers_report_that_telemetry_is_off(detached: Settings) -> None:
    mlflow, prefect = (f"http://127.0.0.1:{port}" for port in (detached.mlflow_port, detached.prefect_port))
    with httpx.Client(trust_env=False) as client:
        # MLflow's and Prefect's pages request this before they send anything.
        assert client.get(f"{mlflow}/ajax-api/3.0/mlflow/ui-telemetry").json()["disable_ui_telemetry"] is True
        answer = client.get(f"{prefect}/api/admin/settings", auth=prefect_login(detached)).json()["server"]
        assert answer["analytics_enabled"] is False
        assert answer["ui"]["show_promotional_content"] is False
