"""Every kind of command in an environment with proxies, through which the embedded servers cannot be reached."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.command_line import json_of, quick
from tests.integration.stack_commands import run
from wgan.settings import Settings

pytestmark = pytest.mark.slow(minutes=3)

PROXIES = {
    name: value
    for upper, value in (
        ("HTTP_PROXY", "http://127.0.0.1:9"),
        ("HTTPS_PROXY", "http://127.0.0.1:9"),
        ("ALL_PROXY", "socks5://127.0.0.1:9"),
    )
    for name in (upper, upper.lower())
}
"""None of them exists."""


def test_a_retraining_reaches_every_server(stack: Settings) -> None:
    outcome = json_of(stack, "retrain", *quick("proxied"), **PROXIES)
    assert outcome["promotion"]["action"] == "promoted"


@pytest.mark.parametrize(
    "command",
    [
        ("data", "list"),
        ("data", "prepare", "--preset", "digits", "--set", "data.name=behind-a-proxy"),
        ("models",),
        ("schedule", "list"),
        ("doctor",),
    ],
    ids=" ".join,
)
def test_commands_reach_their_servers(command: tuple[str, ...], stack: Settings) -> None:
    assert json_of(stack, *command, **PROXIES)


def test_a_backup_reaches_the_store(stack: Settings, tmp_path: Path) -> None:
    run(stack, "backup", str(tmp_path / "backup"), **PROXIES)


def test_a_proxy_that_cannot_be_used_is_one_sentence(stack: Settings) -> None:
    answer = run(stack, "models", code=2, ALL_PROXY="socks4://127.0.0.1:9")
    assert answer.stderr.startswith("ALL_PROXY names a proxy of the kind socks4://, which cannot be used")
    assert len(answer.stderr.splitlines()) == 1


def test_help_works_with_any_proxies(stack: Settings) -> None:
    assert "Usage" in run(stack, "models", "--help", ALL_PROXY="socks4://127.0.0.1:9").stdout
