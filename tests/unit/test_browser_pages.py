"""Where `wgan open` sends the browser, and who can read the link."""

from __future__ import annotations

import html
import json
import os
import stat
import subprocess
import sys
import webbrowser
from pathlib import Path

import pytest

from wgan.errors import UsageError
from wgan.guard import basic_token
from wgan.settings import Settings, load_settings
from wgan.stack.credentials import connected, ensure_credentials, write_connection
from wgan.stack.home import prepare_home
from wgan.stack.pages import open_page, page_address
from wgan.stack.prefect_login import prefect_link

RUN = "/runs/flow-run/7"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The settings that commands find after `wgan up`."""
    home = tmp_path / "home"
    prepare_home(home)
    planned = Settings(_env_file=None, home=home)
    write_connection(planned, ensure_credentials(home))
    return load_settings(home=home)


def test_a_link_to_the_embedded_prefect_signs_in(settings: Settings) -> None:
    token = basic_token(ensure_credentials(settings.home).prefect_login)
    assert prefect_link(settings, RUN) == f"http://127.0.0.1:4200/sign-in#{token}&{RUN}"


def test_the_login_of_another_server_is_in_no_link(settings: Settings) -> None:
    other = load_settings(
        home=settings.home, prefect_api_url="https://prefect.example.org/api", prefect_auth_string="team:shared"
    )
    assert prefect_link(other, RUN) == f"https://prefect.example.org{RUN}"
    assert prefect_link(load_settings(home=settings.home, prefect_auth_string="team:shared"), RUN).endswith(f"0{RUN}")


def test_the_embedded_login_is_not_for_another_server(settings: Settings) -> None:
    other = load_settings(home=settings.home, prefect_api_url="https://prefect.example.org/api")
    assert other.prefect_auth_string is None


def test_the_login_is_not_in_the_browsers_arguments(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    class Browser:
        def open(self, address: str) -> bool:
            opened.append(address)
            return True

    monkeypatch.setattr(webbrowser, "get", Browser)
    address = page_address("prefect", settings)
    assert open_page(address, settings)
    file = Path(opened[0].removeprefix("file://"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert html.escape(address) in file.read_text()


def test_without_a_browser_nothing_is_opened(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise webbrowser.Error

    monkeypatch.setattr(webbrowser, "get", none)
    assert not open_page(page_address("mlflow", settings), settings)


def test_the_command_sends_the_browser_to_a_page_that_signs_in(settings: Settings, tmp_path: Path) -> None:
    browser, seen = tmp_path / "browser", tmp_path / "seen.html"
    browser.write_text(f'#!/bin/sh\ncp "${{1#file://}}" {seen}\n')
    browser.chmod(0o700)
    command = [sys.executable, "-m", "wgan", "open"]
    given = {"PATH": os.environ["PATH"], "WGAN_HOME": str(settings.home), "BROWSER": f"{browser} %s"}
    ended = subprocess.run(command, env=given, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert html.escape(prefect_link(settings)) in seen.read_text()


def test_mlflow_opens_in_its_mode_with_the_model_registry(settings: Settings) -> None:
    # Nobody answers there, whatever runs on this machine.
    page, nobody = settings.mlflow_page, "http://127.0.0.1:9"
    settings = settings.model_copy(update={"mlflow_public_url": page, "mlflow_tracking_uri": nobody})
    assert page_address("mlflow", settings) == "http://127.0.0.1:5000/#/experiments?workflowType=machine_learning"


def test_a_missing_playground_is_one_sentence(settings: Settings) -> None:
    assert page_address("playground", settings) == "http://127.0.0.1:8080/playground"
    with pytest.raises(UsageError, match="no serving process is known"):
        page_address("playground", settings.model_copy(update={"serving_urls": ""}))


def test_a_home_of_an_earlier_version_gets_a_login_and_keeps_its_keys(tmp_path: Path) -> None:
    prepare_home(tmp_path / "home")
    file = tmp_path / "home" / "credentials.json"
    file.write_text(json.dumps({"access_key_id": "key", "secret_access_key": "secret"}))
    first = ensure_credentials(tmp_path / "home")
    assert (first.access_key_id, first.secret_access_key) == ("key", "secret")
    assert first.prefect_login.startswith("wgan:")
    assert ensure_credentials(tmp_path / "home") == first
    assert connected(Settings(_env_file=None, home=tmp_path / "home"), first).prefect_auth_string is not None
