"""Progress reaches whoever listens, for as long as they listen, and the terminal shows it without flooding."""

from __future__ import annotations

import io

from rich.console import Console

from wgan import progress
from wgan.commands.flow_session import display
from wgan.progress import Progress, listening


def test_a_listener_hears_what_is_reported_within_its_block_only() -> None:
    heard: list[Progress] = []
    progress.report("before", 1, 2)
    with listening(heard.append):
        progress.report("training", 3, 10, "fast")
    progress.report("after", 1, 2)
    assert heard == [Progress("training", 3, 10, "fast")]


def test_a_listener_is_forgotten_when_its_block_fails() -> None:
    heard: list[Progress] = []
    try:
        with listening(heard.append):
            raise ValueError
    except ValueError:
        progress.report("training", 1, 2)
    assert heard == []


def shown(*, terminal: bool) -> str:
    output = io.StringIO()
    with display(Console(file=output, force_terminal=terminal, width=160)):
        for step in range(1, 101):
            progress.report("training", step, 100, f"{step} images/s")
        progress.announce("flow run", "0000-1111")
    return output.getvalue()


def test_without_a_terminal_there_are_few_lines_and_the_last_one_is_complete() -> None:
    lines = shown(terminal=False).splitlines()
    assert lines == ["training: 1/100 1 images/s", "training: 100/100 100 images/s", "flow run: 0000-1111"]


def test_on_a_terminal_there_is_a_bar_with_position_and_note() -> None:
    text = shown(terminal=True)
    assert "100/100" in text
    assert "100 images/s" in text
    assert "flow run: 0000-1111" in text
