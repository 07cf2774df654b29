"""The output of commands fits 80 columns without losing information, and works with any encoding and pipe."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from rich.console import Console

from wgan import progress
from wgan.commands import output
from wgan.commands.flow_session import display

NAME = "generator-a-model-with-quite-a-long-name-that-one-must-type"
ROWS = [(NAME, "words that may be folded " * 6, "[44, 48.5]")]


def table(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> str:
    file = io.StringIO()
    console = output.PlainConsole(file=file, force_terminal=terminal, width=80, color_system=None)
    monkeypatch.setattr(output, "console", console)
    output.print_table(("model", "why", "interval"), ROWS, typed=("model",))
    return file.getvalue()


def test_a_name_to_type_is_complete_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert NAME in table(monkeypatch, terminal=True)


def test_nothing_is_cut_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    text = table(monkeypatch, terminal=True)
    assert "…" not in text
    assert text.count("f") == "".join(ROWS[0]).count("f")


def test_into_a_pipe_a_row_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = table(monkeypatch, terminal=False).splitlines()
    assert len(lines) == 2
    assert all(cell.strip() in lines[1] for cell in ROWS[0])


def test_a_time_names_its_zone() -> None:
    time = datetime(2026, 11, 30, 2, tzinfo=UTC)
    assert output.local_time(time).startswith(f"{time.astimezone():%Y-%m-%d %H:%M} ")
    assert output.local_time(time).endswith(f"{time.astimezone():%Z}")


def test_at_80_columns_a_bar_keeps_step_and_remaining_time() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, color_system=None)
    with display(console):
        for step in range(1, 1201):
            progress.report("real images and untrained: evaluation", step, 120_000, "1,234 images/s, estimate 0.1234")
    last = [line for line in file.getvalue().replace("\r", "\n").splitlines() if "120000" in line][-1]
    assert "1200/120000" in last
    assert ":" in last.split("120000", 1)[1]


WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; from wgan.cli import main; main()"
"""`wgan` where torch is not installed, so that a dry run measures nothing."""
ASCII = {"PYTHONIOENCODING": "ascii", "LANG": "C", "LC_ALL": "C"}


@pytest.mark.parametrize("arguments", [("presets",), ("--help",), ("retrain", "--preset", "digits", "--dry-run")])
def test_an_ascii_terminal_gets_ascii(arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-c", WITHOUT_TORCH, *arguments]
    answer = subprocess.run(command, env={**os.environ, **ASCII}, capture_output=True, timeout=120)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.isascii()
    if arguments == ("presets",):
        assert b"32x32" in answer.stdout
        assert b"stacked-mnist" in answer.stdout


@pytest.mark.parametrize("arguments", [("presets",), ("presets", "--json"), ("--help",)])
def test_a_closed_pipe_is_not_an_error(arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "wgan", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode in (0, 1)


def test_text_like_the_name_of_an_emoji_is_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    text = "networks.generator=models:x: this machine does not import models"
    output.console.print(text, highlight=False, markup=False, soft_wrap=True)
    output.print_table(("name",), [("models:x: a",)])
    assert capsys.readouterr().out.splitlines()[0] == text
