"""What the commands print: text for people, or one JSON object and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from wgan.printable import printable, printable_lines


class PlainConsole(Console):
    """A console that shows escapes in what it is given, such as a stored name, and sends only its own to a terminal."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As `Console.render`."""
        for segment in super().render(renderable, options):
            own = segment.control or segment.text.isprintable()
            yield segment if own else Segment(printable_lines(segment.text), segment.style)


console = PlainConsole()
"""Standard output: results."""

error_console = PlainConsole(stderr=True)
"""Standard error: progress, warnings and errors; `--json` leaves it alone."""


def print_json(value: Any) -> None:
    """Print one machine-readable object on standard output, never wrapped or coloured."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    # JSON leaves some of what a terminal obeys as it is; ASCII JSON is the same object.
    print(text if printable_lines(text) == text else json.dumps(value, indent=2, default=str))


def print_line(text: str) -> None:
    """Print one line on standard output at once, as it is but for what a terminal would obey."""
    print(printable(text), flush=True)
