"""Printing: text for people, or exactly one JSON object."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from wgan.printable import printable, printable_lines

WIDEST = 100_000
"""Width of a row when there is no terminal."""


class PlainConsole(Console):
    """A console that makes escapes in its input, such as a stored name, visible; only its own reach the terminal."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As `Console.render`."""
        for segment in super().render(renderable, options):
            own = segment.control or segment.text.isprintable()
            yield segment if own else Segment(printable_lines(segment.text), segment.style)


console = PlainConsole(emoji=False)
"""Standard output: results."""

error_console = PlainConsole(stderr=True, emoji=False)
"""Standard error: progress, warnings and errors; unaffected by `--json`."""


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], typed: Collection[str] = ()) -> None:
    """Print a table on standard output.

    Nothing is truncated: text too wide for a terminal is folded, except in the columns `typed`, whose values are meant
    to be copied. In a file or a pipe, rows have their full width.
    """
    table = Table(box=None, pad_edge=False)
    for number, title in enumerate(columns):
        widest = max((len(line) for row in rows for line in row[number].splitlines()), default=0)
        table.add_column(title, overflow="fold", min_width=max(widest, len(title)) if title in typed else None)
    for row in rows:
        # Text, not markup: [44, 48.5] is an interval, not a style.
        table.add_row(*(Text(cell) for cell in row))
    if console.is_terminal:
        console.print(table, crop=False)
        return
    natural = console.measure(table, options=console.options.update_width(WIDEST)).maximum
    PlainConsole(file=console.file, width=max(natural, console.width), emoji=False).print(table)


def local_time(time: datetime) -> str:
    """A time in this machine's zone, including the zone's name."""
    return f"{time.astimezone():%Y-%m-%d %H:%M %Z}"


def print_json(value: Any) -> None:
    """Print one machine-readable object on standard output, never wrapped or coloured."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    # JSON does not escape all control characters of terminals; ASCII JSON is the same object.
    print(text if printable_lines(text) == text else json.dumps(value, indent=2, default=str))


def print_line(text: str) -> None:
    """Print one line on standard output, flushed, unchanged except for terminal control characters."""
    print(printable(text), flush=True)
