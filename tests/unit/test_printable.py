"""Text stored or uploaded by others does not control the terminal that shows it."""

from __future__ import annotations

import json
import logging
import pickle
from collections.abc import Iterator
from io import StringIO
from unicodedata import category

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.table import Table

from wgan.cli import _complain
from wgan.commands.flow_session import display
from wgan.commands.output import PlainConsole, print_json, print_line
from wgan.errors import DataError, WganError
from wgan.printable import printable, printable_lines, use_printable_records
from wgan.progress import announce

ATTACK = "cat\x1b]0;title\x07\x1b[2J\r\x9b31m\u202egnp\u2028b\ud800"
"""Sets the title, clears the screen, returns to the start of the line, colours, reverses the reading direction."""
SHOWN = "cat\\x1b]0;title\\x07\\x1b[2J\\r\\x9b31m\\u202egnp\\u2028b\\ud800"


def obeyed(text: str) -> list[str]:
    return [letter for letter in text if not letter.isprintable() and letter != "\n"]


def test_control_characters_are_shown_as_escapes() -> None:
    assert printable(ATTACK) == SHOWN
    assert printable("a\nb\tc") == r"a\nb\tc"
    assert printable_lines("a\nb\tc\x1b") == "a\nb\tc\\x1b"


def test_letters_of_every_script_stay() -> None:
    text = "naïve 日本 – 1\u00a0024 ✓ ☃"
    assert printable(text) == printable_lines(text) == text


@given(st.text())
def test_no_control_character_is_left(text: str) -> None:
    assert all(category(letter) == "Zs" for letter in obeyed(printable(text)))


@pytest.mark.parametrize("terminal", [True, False])
def test_every_way_of_printing_neutralises_stored_text(terminal: bool) -> None:
    file = StringIO()
    console = PlainConsole(file=file, force_terminal=terminal, width=200, color_system=None)
    console.print(ATTACK, markup=False, highlight=False)
    table = Table(ATTACK, title=ATTACK)
    table.add_row(ATTACK)
    console.print(table)
    with display(console):
        announce("data", ATTACK)
    written = file.getvalue()
    assert written.count(r"\x1b") >= 10  # two each, of which a table may break one
    assert "\x1b[2J" not in written
    assert "\x1b]0" not in written
    if not terminal:
        assert obeyed(written) == []


def test_a_line_of_a_worker_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_line(ATTACK + "\nsecond")
    assert capsys.readouterr().out == f"{SHOWN}\\nsecond\n"


@pytest.mark.parametrize("text", [ATTACK, "日本", "\x9b31m"])
def test_json_holds_the_text_without_control_characters(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"reason": text})
    written = capsys.readouterr().out
    assert json.loads(written) == {"reason": text}
    assert obeyed(written) == []


@given(st.text())
@settings(max_examples=50)
def test_an_error_is_one_printable_line(text: str) -> None:
    assert "\n" not in str(DataError(text))
    assert "\x1b" not in str(DataError(text))


def test_log_lines_stay_lines_and_an_error_survives_pickling() -> None:
    error = WganError("it ended:", "one\ntwo\x1b[2J")
    for seen in (error, pickle.loads(pickle.dumps(error))):
        assert str(seen) == "it ended:\none\ntwo\\x1b[2J"


def test_a_bug_that_quotes_stored_text_is_printed_safely(capsys: pytest.CaptureFixture[str]) -> None:
    _complain(f"unexpected KeyError: {ATTACK}")
    assert obeyed(capsys.readouterr().err) == []


@pytest.fixture
def plain_records() -> Iterator[None]:
    before = logging.getLogRecordFactory()
    use_printable_records()
    yield
    logging.setLogRecordFactory(before)


@pytest.mark.usefixtures("plain_records")
@pytest.mark.parametrize("arguments", [("%s is left out", ATTACK), (f"{ATTACK} is left out",)])
def test_logged_text_is_printed_safely(arguments: tuple[str, ...]) -> None:
    file = StringIO()
    logger = logging.Logger("of a command")
    logger.addHandler(logging.StreamHandler(file))
    logger.warning(*arguments)
    assert file.getvalue() == f"{SHOWN} is left out\n"
