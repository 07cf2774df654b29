"""The command line's front page, and that it stays light."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from wgan import __version__, cli

HEAVY = ("boto3", "httpx", "mlflow", "numpy", "prefect", "psutil", "pydantic", "sklearn", "torch", "yaml")


LARGE = ("boto3", "mlflow", "numpy", "pandas", "prefect", "torch")


@pytest.mark.parametrize(
    ("command", "exit_code", "left_out"),
    [
        ("--help", 0, HEAVY),
        ("--version", 0, (*LARGE, "httpx", "psutil", "yaml")),
        ("status", 1, (*LARGE, "httpx")),
        ("open mlflow", 0, LARGE),
        ("runs", 1, LARGE),
        ("logs 0", 1, LARGE),
        ("schedule list", 1, LARGE),
        ("schedule run digits", 1, LARGE),
    ],
)
def test_a_quick_command_imports_nothing_heavy(
    command: str, exit_code: int, left_out: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WGAN_PREFECT_API_URL", "http://127.0.0.1:9/api")  # nobody listens there
    monkeypatch.setenv("BROWSER", "true")
    program = (
        f"import contextlib, io, json, sys; from wgan.cli import run; sys.argv = ['wgan', *{command.split()}]\n"
        "with contextlib.redirect_stdout(io.StringIO()): code = run()\n"
        "print(json.dumps([code, sorted(set(name.partition('.')[0] for name in sys.modules))]))"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    code, modules = json.loads(output)
    assert code == exit_code
    assert "wgan" in modules
    assert set(modules).isdisjoint(left_out)


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_the_front_page_lists_the_commands(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["wgan", *arguments])
    assert cli.run() == 0
    out, errors = capsys.readouterr()
    assert errors == ""
    for command in ("up", "down", "status", "doctor", "data", "retrain", "presets", "promote", "rollback", "study"):
        assert f" {command} " in out


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["wgan", "--version"])
    assert cli.run() == 0
    assert capsys.readouterr().out == f"wgan {__version__}\n"


def test_the_front_page_groups_the_commands_by_task(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["wgan", "--help"])
    assert cli.run() == 0
    page = capsys.readouterr().out
    headings = (cli.SERVERS, cli.TRAINING, cli.JUDGING, cli.PRODUCTION, cli.OPERATIONS, cli.UPKEEP)
    places = [page.index(heading) for heading in headings]
    assert len(set(places)) == len(headings)
    assert "Commands" not in page, "a command stands under no task"
