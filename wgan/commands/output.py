"""What the commands print: text for people, or one JSON object and nothing else."""

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
"""Characters of a row that no terminal limits."""


class PlainConsole(Console):
    """A console that shows escapes in what it is given, such as a stored name, and sends only its own to a terminal."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As `Console.render`."""
        for segment in super().render(renderable, options):
            own = segment.control or segment.text.isprintable()
            yield segment if own else Segment(printable_lines(segment.text), segment.style)


console = PlainConsole(emoji=False)
"""Standard output: results."""

error_console = PlainConsole(stderr=True, emoji=False)
"""Standard error: progress, warnings and errors; `--json` leaves it alone."""


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], typed: Collection[str] = ()) -> None:
    """Print the one kind of table there is, on standard output.

    Nothing is cut: what is too wide for a terminal is folded, except in the columns `typed`, whose names are there to
    be copied; into a file or a pipe each row goes as wide as it is.
    """
    table = Table(box=None, pad_edge=False)
    for number, title in enumerate(columns):
        widest = max((len(line) for row in rows for line in row[number].splitlines()), default=0)
        table.add_column(title, overflow="fold", min_width=max(widest, len(title)) if title in typed else None)
    for row in rows:
        # Text, not markup: [44, 48.5] is an interval and no style.
        table.add_row(*(Text(cell) for cell in row))
    if console.is_terminal:
        console.print(table, crop=False)
        return
    natural = console.measure(table, options=console.options.update_width(WIDEST)).maximum
    PlainConsole(file=console.file, width=max(natural, console.width), emoji=False).print(table)


def local_time(time: datetime) -> str:
    """A time in this machine's zone, which it names."""
    return f"{time.astimezone():%Y-%m-%d %H:%M %Z}"


def print_json(value: Any) -> None:
    """Print one machine-readable object on standard output, never wrapped or coloured."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    # JSON leaves some of what a terminal obeys as it is; ASCII JSON is the same object.
    print(text if printable_lines(text) == text else json.dumps(value, indent=2, default=str))


def print_line(text: str) -> None:
    """Print one line on standard output at once, as it is but for what a terminal would obey."""
    print(printable(text), flush=True)
