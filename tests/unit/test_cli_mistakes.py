"""What the command line prints and its exit code, by kind of error."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from wgan import cli
from wgan.commands.crash import KEPT, keep_traceback
from wgan.errors import GateRefused, StorageError, UsageError


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    """A command line of the same kind whose command `fail` raises the test's exception."""
    app = typer.Typer(invoke_without_command=True, pretty_exceptions_enable=False)
    app.callback()(cli.root)
    monkeypatch.setattr(cli, "app", app)
    monkeypatch.setattr(sys, "argv", ["wgan", "fail"])
    return app


def raising(app: typer.Typer, error: BaseException) -> None:
    @app.command("fail")
    def fail() -> None:
        raise error


@pytest.mark.parametrize(
    ("error", "code"),
    [(StorageError("the store is away."), 1), (UsageError("there is no x."), 2), (GateRefused("worse."), 3)],
)
def test_an_expected_error_is_its_sentence_and_its_exit_code(
    failing: typer.Typer, capsys: pytest.CaptureFixture[str], error: Exception, code: int
) -> None:
    raising(failing, error)
    assert cli.run() == code
    sentence = str(error)
    assert capsys.readouterr() == ("", f"{sentence[0].upper()}{sentence[1:]}\n")


@pytest.mark.parametrize("kind", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.ENOTDIR])
def test_a_disk_error_is_one_sentence_and_not_a_bug(
    failing: typer.Typer, capsys: pytest.CaptureFixture[str], tmp_path: Path, kind: int
) -> None:
    raising(failing, OSError(kind, os.strerror(kind), "/home/a/.wgan/cache/x"))
    assert cli.run() == 1
    shown = capsys.readouterr().err
    assert shown.startswith(f"/home/a/.wgan/cache/x cannot be used ({os.strerror(kind)}): ")
    assert shown.count("\n") == 1
    assert "report it" not in shown
    assert not (tmp_path / ".wgan").exists()


def test_a_bug_is_one_sentence_and_its_traceback_is_a_file_in_the_home(
    failing: typer.Typer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    raising(failing, KeyError("missing"))
    assert cli.run() == 1
    (file,) = (tmp_path / ".wgan" / "logs").iterdir()
    assert capsys.readouterr() == (
        "",
        f"Unexpected KeyError: 'missing'; please report it with the traceback in {file}.\n",
    )
    assert "raise error" in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


def test_a_command_that_needs_torch_says_what_to_install_without_it(
    failing: typer.Typer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    raising(failing, ModuleNotFoundError("No module named 'torch'", name="torch"))
    assert cli.run() == 1
    assert capsys.readouterr() == (
        "",
        "This command needs torch, which is not installed here: pip install 'wgan-pipeline[train]', "
        "or use the image `trainer`.\n",
    )
    assert not (tmp_path / ".wgan").exists()


def test_any_other_missing_module_is_a_bug(failing: typer.Typer, capsys: pytest.CaptureFixture[str]) -> None:
    raising(failing, ModuleNotFoundError("No module named 'wgan.gone'", name="wgan.gone"))
    assert cli.run() == 1
    assert capsys.readouterr().err.startswith("Unexpected ModuleNotFoundError: ")


def test_old_tracebacks_are_removed(tmp_path: Path) -> None:
    files = [keep_traceback(ValueError(number)) for number in range(KEPT + 5)]
    assert sorted((tmp_path / ".wgan" / "logs").iterdir()) == files[5:]


def test_a_traceback_goes_elsewhere_when_the_home_is_not_writable(tmp_path: Path) -> None:
    (tmp_path / ".wgan").touch()
    file = keep_traceback(ValueError("lost?"))
    assert "lost?" in file.read_text()
    file.unlink()


@pytest.mark.parametrize("error", [KeyError("missing"), StorageError("the store is away.")])
def test_wgan_debug_shows_the_traceback(
    failing: typer.Typer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setenv("WGAN_DEBUG", "1")
    raising(failing, error)
    assert cli.run() == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_ctrl_c_exits_with_130(failing: typer.Typer, capsys: pytest.CaptureFixture[str]) -> None:
    raising(failing, KeyboardInterrupt())
    assert cli.run() == 130
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["up", "--fast"], "No such option: --fast (see `wgan up --help`)."),
        (["sing"], "No such command 'sing' (see `wgan --help`)."),
        (["down", "now"], "Got unexpected extra argument(s) (now) (see `wgan down --help`)."),
    ],
)
def test_a_usage_mistake_is_one_sentence_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["wgan", *arguments])
    assert cli.run() == 2
    assert capsys.readouterr() == ("", f"{sentence}\n")


def test_an_impossible_setting_is_a_usage_mistake(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["wgan", "status"])
    monkeypatch.setenv("WGAN_S3_PORT", "high")
    assert cli.run() == 2
    out, errors = capsys.readouterr()
    assert out == ""
    assert errors.startswith("Setting WGAN_S3_PORT='high': ")


def test_a_closed_pipe_is_not_a_bug(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    finished = subprocess.run(
        [sys.executable, "-m", "wgan", "presets", "--json"],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert (finished.returncode, finished.stderr) == (1, "")
    assert not (tmp_path / ".wgan").exists()
